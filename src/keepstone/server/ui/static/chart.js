// Draws what was written on each day. The same figures stand in a table below the chart.
"use strict";

(() => {
  const HEIGHT = 220;
  const STROKES = ["--accent", "--second", "--good", "--warn", "--bad"];
  const plots = new Map();
  const resized = new ResizeObserver((entries) => {
    for (const { target } of entries) plots.get(target)?.setSize({ width: target.clientWidth, height: HEIGHT });
  });
  const DASHES = [[], [], [6, 3], [2, 3], [8, 3, 2, 3]];

  const draw = (box) => {
    const series = JSON.parse(box.dataset.series);
    const labels = JSON.parse(box.dataset.labels);
    const colour = window.keepstone.colour;
    const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false } };
    const day = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 10);
    const options = {
      width: box.clientWidth,
      height: HEIGHT,
      tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
      legend: { live: true },
      cursor: { drag: { setScale: false } },
      scales: { y: { range: (plot, least, most) => [0, Math.max(most, 4)] } },
      axes: [
        { ...axis, values: (plot, splits) => splits.map((s) => day(s).slice(5)) },
        { ...axis, size: 48, values: (plot, splits) => splits.map((s) => (Number.isInteger(s) ? String(s) : "")) },
      ],
      series: [
        { label: box.dataset.day, value: (plot, seconds) => (seconds === null ? "–" : day(seconds)) },
        ...labels.map((label, index) => ({
          label,
          stroke: colour(STROKES[index]),
          dash: DASHES[index],
          width: 2,
          points: { show: false },
        })),
      ],
    };
    plots.get(box)?.destroy();
    plots.set(box, new uPlot(options, series, box));
  };

  const boxes = () => document.querySelectorAll(".chart[data-series]");
  const all = () => boxes().forEach(draw);
  document.addEventListener("DOMContentLoaded", () => {
    all();
    boxes().forEach((box) => resized.observe(box));
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", all);
})();
