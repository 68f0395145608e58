// Reads out the mark nearest to the pointer. Without it each mark still has its own tooltip.
for (const chart of document.querySelectorAll(".plot .chart")) {
  const marks = [...chart.querySelectorAll("use")];
  const plot = chart.parentNode;
  const tip = document.createElement("div");
  for (const mark of marks) {
    mark.says = mark.firstChild.textContent;
    mark.firstChild.remove();
  }
  tip.className = "tip";
  chart.addEventListener("pointermove", (event) => {
    const centre = (mark) => {
      const box = mark.getBoundingClientRect();
      return [box.x + box.width / 2, box.y + box.height / 2];
    };
    const near = marks
      .map((mark) => [mark, ...centre(mark)])
      .map(([mark, x, y]) => [Math.hypot(x - event.clientX, y - event.clientY), mark, x, y])
      .sort((a, b) => a[0] - b[0])[0];
    if (!near || near[0] > 60) return tip.remove();
    const page = plot.getBoundingClientRect();
    const half = Math.min(130, page.width / 2);
    tip.textContent = near[1].says;
    tip.style.left = Math.min(Math.max(near[2] - page.x, half), page.width - half) + "px";
    tip.style.top = near[3] - page.y + "px";
    plot.append(tip);
  });
  chart.addEventListener("pointerleave", () => tip.remove());
}
