// Tables that a click on a column's heading sorts: numbers by size, then words, then gaps.
(() => {
  const GAP = "–";

  function key(cell) {
    const text = cell.textContent.trim();
    const number = parseFloat(text.replace(/−/g, "-").replace(/,/g, ""));
    return { text, kind: text === GAP ? 2 : Number.isNaN(number) ? 1 : 0, number };
  }

  function compare(a, b, sign) {
    if (a.kind !== b.kind) return a.kind - b.kind;
    if (a.kind === 0 && a.number !== b.number) return sign * (a.number - b.number);
    return sign * a.text.localeCompare(b.text);
  }

  function sort(table, heading) {
    const ascending = heading.getAttribute("aria-sort") !== "ascending";
    const column = heading.cellIndex;
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [key(row.cells[column]), row]);
    rows.sort(([a], [b]) => compare(a, b, ascending ? 1 : -1));
    body.append(...rows.map(([, row]) => row));
    for (const other of heading.parentElement.cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  }

  for (const table of document.querySelectorAll("table.sortable")) {
    for (const heading of table.tHead.rows[0].cells) {
      heading.querySelector("button").addEventListener("click", () => sort(table, heading));
    }
  }
})();
