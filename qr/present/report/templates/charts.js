// Every chart: traces with tags, and a form of controls that says which tags are shown.
(() => {
  const scheme = matchMedia("(prefers-color-scheme: dark)");
  const charts = JSON.parse(document.getElementById("chart-data").textContent)
    .filter((chart) => chart.traces.length);
  let printing = false;

  const isDark = () => scheme.matches && !printing;

  function chosen(form, control) {
    const field = form.elements[control.tag];
    if (!control.multiple) return [field.value];
    return [...form.querySelectorAll(`[name="${control.tag}"]:checked`)].map((box) => box.value);
  }

  function visible(chart, form) {
    const selected = chart.controls.map((control) => [control.tag, chosen(form, control)]);
    return chart.traces.filter((trace) => selected.every(
      ([tag, values]) => trace.tags[tag] === undefined || values.includes(trace.tags[tag])));
  }

  function painted(trace) {
    const colour = trace.colours[isDark() ? 1 : 0];
    const { tags, colours, focus, columns, ...rest } = trace;
    return {
      ...rest,
      line: { ...rest.line, color: colour },
      marker: { ...rest.marker, color: colour },
      ...(rest.error_x && { error_x: { ...rest.error_x, color: colour } }),
      ...(rest.error_y && { error_y: { ...rest.error_y, color: colour } }),
    };
  }

  // The view holds what the chart is about, and of the rest what passes near it.
  function focused(traces) {
    const focus = traces.filter((trace) => trace.focus && trace.yaxis !== "y2");
    const xs = focus.flatMap((trace) => trace.x);
    if (!xs.length) return {};
    let [left, right] = [Math.min(...xs), Math.max(...xs)];
    const margin = 0.08 * (right - left);
    [left, right] = right - left < 0.1 * right
      ? [0, 3 * right] : [Math.max(left - margin, 0), right + margin];
    const ys = focus.flatMap((trace) => trace.y.filter((y) => y !== null));
    const [low, high] = [Math.min(...ys), Math.max(...ys)];
    const pad = 0.15 * (high - low || 1);
    return { "xaxis.range": [left, right], "yaxis.range": [low - pad, high + pad] };
  }

  function heightOf(chart, traces) {
    const rows = chart.layout.yaxis?.type === "category";
    return rows ? 80 + 26 * traces.length : chart.layout.height || 420;
  }

  function assign(layout, changes) {
    for (const [path, value] of Object.entries(changes)) {
      const keys = path.split(".");
      const last = keys.pop();
      const inner = keys.reduce((part, key) => (part[key] ??= {}), layout);
      inner[last] = value;
    }
  }

  function laidOut(chart, form, traces, width) {
    const [ink, line] = isDark() ? ["#eceef2", "#414854"] : ["#16181d", "#d5d9e0"];
    const layout = structuredClone(chart.layout);
    const narrow = width < 520;
    for (const axis of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) {
      assign(layout[axis], { gridcolor: line, zerolinecolor: ink, linecolor: line });
      layout[axis].zeroline ??= false;
    }
    for (const control of chart.controls.filter((control) => !control.multiple)) {
      const [value] = chosen(form, control);
      assign(layout, control.options.find((option) => option.value === value).layout);
    }
    assign(layout, focused(traces));
    return {
      ...layout,
      ...(printing && { width }),
      height: heightOf(chart, traces) * (printing ? 0.7 : 1),
      showlegend: false,
      hovermode: "closest",
      dragmode: narrow ? false : "zoom",
      font: { family: "system-ui, sans-serif", size: narrow ? 11 : 13, color: ink },
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      margin: { l: narrow ? 52 : 66, r: 12, t: 12, b: 50 },
    };
  }

  function draw(chart) {
    if (!window.Plotly) return; // it will be drawn when that is there
    const form = document.querySelector(`[data-controls="${chart.name}"]`);
    const place = document.getElementById(`chart-${chart.name}`);
    const traces = visible(chart, form);
    const width = printing ? 670 : place.parentElement.clientWidth;
    place.hidden = !traces.length;
    place.parentElement.querySelector(".nothing").hidden = Boolean(traces.length);
    const layout = laidOut(chart, form, traces, width);
    place.style.height = `${layout.height}px`; // also while a window that is resized redraws it
    Plotly.react(place, traces.map(painted), layout, {
      responsive: true,
      displayModeBar: false, // it hides data, and one of its buttons would leave the page
    });
    tell(chart, traces);
  }

  function row(kind, cells) {
    const line = document.createElement("tr");
    for (const text of cells) {
      const cell = document.createElement(kind);
      if (kind === "th") cell.scope = "col";
      cell.textContent = typeof text === "number" ? String(Number(text.toPrecision(6))) : text ?? "–";
      line.append(cell);
    }
    return line;
  }

  // The same numbers as text, for whoever does not see the chart or wants to copy them.
  function tell(chart, traces) {
    const details = document.querySelector(`[data-numbers="${chart.name}"]`);
    if (!details.open) return;
    const tables = new Map();
    for (const trace of traces) {
      const columns = trace.columns || chart.table;
      const key = columns.join();
      if (!tables.has(key)) tables.set(key, [row("th", ["Series", ...columns])]);
      trace.x.forEach((x, i) => {
        const more = [trace.customdata?.[i] ?? []].flat();
        tables.get(key).push(row("td", [trace.name, x, trace.y[i], ...more]));
      });
    }
    details.querySelector(".scroll").replaceChildren(...[...tables.values()].map((rows) => {
      const table = document.createElement("table");
      table.createTHead().append(rows[0]);
      table.createTBody().append(...rows.slice(1));
      return table;
    }));
  }

  function paintSamples() {
    for (const sample of document.querySelectorAll(".sample")) {
      sample.style.color = isDark() ? sample.dataset.dark : sample.dataset.light;
    }
  }

  function drawAll() {
    paintSamples();
    charts.forEach(draw);
  }

  for (const chart of charts) {
    const form = document.querySelector(`[data-controls="${chart.name}"]`);
    const height = heightOf(chart, visible(chart, form));
    document.getElementById(`chart-${chart.name}`).style.height = `${height}px`;
    form.addEventListener("change", () => draw(chart));
    form.addEventListener("submit", (event) => event.preventDefault());
    document.querySelector(`[data-numbers="${chart.name}"]`)
      .addEventListener("toggle", () => draw(chart));
  }
  scheme.addEventListener("change", drawAll);
  addEventListener("beforeprint", () => {
    while (later.length) later.shift()();
    printing = true;
    drawAll();
  });
  addEventListener("afterprint", () => { printing = false; drawAll(); });
  paintSamples();
  later.push(...charts.map((chart) => () => draw(chart)));
})();
