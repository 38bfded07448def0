// The picture viewer: two decoders of one file side by side, their difference, and error maps.
later.push(() => {
  const data = JSON.parse(document.getElementById("viewer-data").textContent);
  const form = document.getElementById("viewer-controls");
  const mapForm = document.getElementById("map-controls");
  const [left, right] = ["view-left", "view-right"].map((id) => document.getElementById(id));
  const divider = document.getElementById("divider");
  const frame = document.getElementById("frame");
  const canvas = document.getElementById("difference");

  const source = (name) => data.files[name];
  const fixed = (value, digits) => (value === null ? "–" : value.toFixed(digits));

  function fill(select, options, wanted) {
    const kept = options.some(([value]) => value === select.value) ? select.value : wanted;
    select.replaceChildren(...options.map(([value, label]) => new Option(label, value)));
    if (kept !== undefined) select.value = kept;
  }

  const codec = () => data.codecs[Number(form.elements.codec.value)];
  const image = () => codec().images[Number(form.elements.image.value)];
  const view = (name) => image().views.find((one) => one.variant === name);

  function choices() {
    fill(form.elements.image, codec().images.map((one, i) => [String(i), one.image]));
    const views = image().views.map((one) => [one.variant, one.label]);
    fill(form.elements.left, views, data.left);
    fill(form.elements.right, views, data.right);
    const moved = image().views.filter((one) => one.after).map((one) => [one.variant, one.label]);
    fill(mapForm.elements.variant, moved, data.right);
  }

  function caption(one) {
    if (!one.numbers) return `${one.label}: ${image().size.join(" × ")} pixels`;
    const { bytes, bpp } = one.numbers;
    const told = data.measures.map(({ column, label, unit, digits }) =>
      `${label} ${fixed(one.numbers[column], digits)} ${unit}`.trimEnd());
    return [`${one.label}: ${bytes.toLocaleString("en")} bytes`, `${fixed(bpp, 3)} bpp`, ...told]
      .join(", ");
  }

  async function show() {
    const [a, b] = ["left", "right"].map((side) => view(form.elements[side].value));
    for (const [picture, one, side] of [[left, a, "left"], [right, b, "right"]]) {
      picture.src = source(one.picture);
      picture.alt = `${image().image}, ${one.label} (${side})`;
      document.getElementById(`caption-${side}`).textContent = caption(one);
    }
    number(a, b);
    maps();
    move(Number(divider.getAttribute("aria-valuenow")));
    await Promise.all([left.decode(), right.decode()]).catch(() => {}); // replaced meanwhile
    difference(a, b);
  }

  function pixels(picture) {
    const scratch = new OffscreenCanvas(picture.naturalWidth, picture.naturalHeight);
    const context = scratch.getContext("2d");
    context.drawImage(picture, 0, 0);
    return context.getImageData(0, 0, scratch.width, scratch.height);
  }

  function difference(a, b) {
    const gain = Number(form.elements.gain.value);
    const [one, other] = [pixels(left), pixels(right)];
    let total = 0;
    for (let i = 0; i < one.data.length; i += 1) {
      if (i % 4 === 3) continue; // opacity
      const apart = Math.abs(one.data[i] - other.data[i]);
      total += apart;
      one.data[i] = Math.min(255, gain * apart);
    }
    [canvas.width, canvas.height] = [one.width, one.height];
    canvas.getContext("2d").putImageData(one, 0, 0);
    const mean = total / (3 * one.width * one.height);
    const text = `Difference of ${a.label} and ${b.label}, times ${gain}: ` +
      `${mean.toFixed(2)} of 255 levels on average in this part`;
    canvas.setAttribute("aria-label", text);
    document.getElementById("caption-difference").textContent = text;
  }

  function number(...shown) {
    const rows = image().views.filter((one) => one.numbers).map((one) => {
      const { bytes, bpp, quantization_error, rectified_error } = one.numbers;
      const measured = data.measures.map(({ column, digits }) =>
        fixed(one.numbers[column], digits + 1));
      const error = one.after
        ? `${fixed(quantization_error, 2)} → ${fixed(rectified_error, 2)}`
        : fixed(quantization_error, 2);
      const row = document.createElement("tr");
      row.className = shown.includes(one) ? "shown" : "";
      const cells = [one.label, bytes.toLocaleString("en"), fixed(bpp, 4), ...measured, error];
      row.append(...cells.map((text, i) => {
        const cell = document.createElement(i ? "td" : "th");
        if (i) cell.className = "number";
        else cell.scope = "row";
        cell.textContent = text;
        return cell;
      }));
      return row;
    });
    document.querySelector("#view-numbers tbody").replaceChildren(...rows);
  }

  function maps() {
    const one = view(mapForm.elements.variant.value);
    document.getElementById("maps").hidden = !one;
    document.getElementById("no-maps").hidden = Boolean(one);
    if (!one) return;
    const { limit, padded: [width, height], box: [x0, y0, x1, y1] } = image();
    const change = 100 * (one.numbers.rectified_error / one.numbers.quantization_error - 1);
    const sign = change < 0 ? "−" : "+";
    const told = {
      before: [image().before, `Before: 0 (dark) to ${fixed(limit, 1)} (yellow)`],
      after: [one.after, `After ${one.label}, same scale; ${sign}${Math.abs(change).toFixed(2)} % in all`],
      change: [one.change, `Change: blue is less error, red is more, up to ±${one.change_limit.toPrecision(2)}`],
    };
    for (const [name, [file, text]] of Object.entries(told)) {
      const picture = document.getElementById(`map-${name}`);
      const figure = picture.closest("figure");
      picture.src = source(file);
      picture.alt = `Map of the quantization error of ${image().image}. ${text}`;
      figure.querySelector("figcaption").textContent = text;
      Object.assign(figure.querySelector(".box").style, {
        left: `${(100 * x0) / width}%`, top: `${(100 * y0) / height}%`,
        width: `${(100 * (x1 - x0)) / width}%`, height: `${(100 * (y1 - y0)) / height}%`,
      });
    }
  }

  function move(percent) {
    const place = Math.min(100, Math.max(0, percent));
    divider.style.left = `${place}%`;
    left.style.clipPath = `inset(0 ${100 - place}% 0 0)`;
    divider.setAttribute("aria-valuenow", String(Math.round(place)));
    const [a, b] = ["left", "right"].map((side) => view(form.elements[side].value).label);
    divider.setAttribute("aria-valuetext", `${a} on ${Math.round(place)} %, then ${b}`);
  }

  function follow(event) {
    const { left: edge, width } = frame.getBoundingClientRect();
    move((100 * (event.clientX - edge)) / width);
  }

  const STEPS = { ArrowLeft: -2, ArrowDown: -2, ArrowRight: 2, ArrowUp: 2, PageDown: -20, PageUp: 20 };
  divider.addEventListener("keydown", (event) => {
    const now = Number(divider.getAttribute("aria-valuenow"));
    const to = { Home: 0, End: 100 }[event.key] ?? now + (STEPS[event.key] ?? NaN);
    if (Number.isNaN(to)) return;
    event.preventDefault();
    move(to);
  });
  frame.addEventListener("pointerdown", (event) => {
    frame.setPointerCapture(event.pointerId);
    event.preventDefault();
    divider.focus();
    follow(event);
  });
  frame.addEventListener("pointermove", (event) => {
    if (frame.hasPointerCapture(event.pointerId)) follow(event);
  });
  form.addEventListener("change", () => { choices(); show(); });
  mapForm.addEventListener("change", maps);
  for (const one of [form, mapForm]) one.addEventListener("submit", (event) => event.preventDefault());

  fill(form.elements.codec, data.codecs.map((one, i) => [String(i), one.label]));
  choices();
  show();
});
