(() => {
  const value = (row, column) => row.cells[column].dataset.sort;

  // Numbers as numbers, words as words; what is missing stays last either way.
  function compare(a, b, sign) {
    if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
    const [x, y] = [Number(a), Number(b)];
    return sign * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
  }

  function sort(heading) {
    const up = heading.getAttribute("aria-sort") !== "ascending";
    for (const other of heading.parentNode.cells) other.setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    const body = heading.closest("table").tBodies[0];
    const column = heading.cellIndex;
    const rows = [...body.rows].sort((a, b) => compare(value(a, column), value(b, column), up ? 1 : -1));
    body.append(...rows);
  }

  for (const button of document.querySelectorAll(".overview thead button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  // Paper has nothing to click on.
  addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((part) => { part.open = true; }));

  for (const button of document.querySelectorAll(".copy")) {
    const code = button.previousElementSibling;
    button.addEventListener("click", () => {
      getSelection().selectAllChildren(code);
      const said = (text) => { button.textContent = text; };
      const copied = navigator.clipboard ? navigator.clipboard.writeText(code.textContent) : Promise.reject();
      copied.then(() => said("copied"), () => said("selected"));
    });
  }

  // Vega writes a role and a label of its own on the element it draws in: one inside keeps the words on the outer.
  const plots = [...document.querySelectorAll(".plot")].map((plot) =>
    vegaEmbed(plot.appendChild(document.createElement("div")), JSON.parse(plot.nextElementSibling.textContent), {
      config: CONFIG, renderer: "svg", actions: false, mode: "vega-lite",
    }).catch((error) => {
      plot.textContent = `This chart could not be drawn: ${error.message}`;
      console.error(error);
    }));
  Promise.all(plots).then(() => {
    document.documentElement.dataset.drawn = Math.round(performance.now());
  });
})();
