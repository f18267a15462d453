// Draws every <figure data-plot="…"> with uPlot, in the colours of the page, light or dark.
// plots.py describes the data of a plot. The table below each plot has the same figures.

const HEIGHT = 260;
const WHOLE = [1, 2, 5].flatMap((n) => [0, 1, 2, 3, 4, 5, 6].map((power) => n * 10 ** power)).sort((a, b) => a - b);
const drawn = new Map();

function colours() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(name).trim();
  const series = [read("--reference"), ...[1, 2, 3, 4, 5, 6].map((n) => read(`--s${n}`))];
  return { series, ink: read("--muted"), grid: read("--grid"), surface: read("--surface") };
}

function faded(colour, share) {
  const [r, g, b] = [1, 3, 5].map((at) => Number.parseInt(colour.slice(at, at + 2), 16));
  return `rgb(${r} ${g} ${b} / ${share})`;
}

/** Data and series of uPlot, with hidden series for the ends of the intervals, between which bands are filled. */
function columns(plot, theme) {
  const data = [plot.x];
  const series = [{}];
  const bands = [];
  for (const one of plot.series) {
    const colour = theme.series[one.colour];
    if (one.low && one.high) {
      data.push(one.high, one.low);
      series.push({ show: true, stroke: "transparent", points: { show: false } }, { show: true, stroke: "transparent", points: { show: false } });
      bands.push({ series: [series.length - 2, series.length - 1], fill: faded(colour, one.dashed ? 0.07 : 0.16) });
    }
    data.push(one.values);
    series.push({
      label: one.name,
      stroke: colour,
      width: one.bars ? 0 : 2.25,
      dash: one.dashed ? [7, 5] : undefined,
      fill: one.bars ? colour : undefined,
      paths: one.bars ? uPlot.paths.bars({ size: [0.55, 56] }) : undefined,
      points: { show: !one.bars && plot.x.length < 40, size: one.dashed ? 5 : 7, fill: one.dashed ? theme.surface : colour },
      spanGaps: false,
    });
  }
  return { data, series, bands };
}

function whole(plot) {
  const step = Math.max(1, Math.ceil(plot.x.length / 12));
  return plot.x.filter((_, i) => i % step === 0);
}

function options(plot, theme, columns, width, legend) {
  const axis = { stroke: theme.ink, grid: { stroke: theme.grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif", labelFont: "12px system-ui, sans-serif" };
  const bars = plot.series.some((one) => one.bars);
  const first = plot.x[0];
  const last = plot.x[plot.x.length - 1];
  const edge = bars ? 0.6 : plot.x.length === 1 ? 0.5 : (last - first) * 0.03;
  return {
    width,
    height: HEIGHT,
    padding: [12, 12, 0, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 9 }, drag: { x: false, y: false } },
    scales: {
      x: { time: false, range: [first - edge, last + edge] },
      y: { range: (_, low, high) => yRange(plot, bars, low, high) },
    },
    axes: [
      { ...axis, label: plot.x_label, labelSize: 20, size: 30, splits: plot.whole_x && plot.x.length < 200 ? () => whole(plot) : undefined, grid: { show: false } },
      { ...axis, label: plot.y_label, labelSize: 20, size: 50, incrs: plot.digits === 0 ? WHOLE : undefined },
    ],
    series: columns.series,
    bands: columns.bands,
    hooks: { setCursor: [(u) => tell(u, plot, legend)] },
  };
}

function yRange(plot, bars, low, high) {
  if (plot.y_max !== null) return [0, plot.y_max * 1.02];
  if (low === null || high === null) return [0, 1];
  const room = (high - low || Math.abs(high) || 1) * 0.08;
  return bars ? [0, high + room] : [Math.max(0, low - room), high + room];
}

/** Write the values under the cursor into the legend. */
function tell(u, plot, legend) {
  const at = u.cursor.idx;
  for (const one of plot.series) {
    const value = at === null || at === undefined ? null : one.values[at];
    const item = legend.get(one.name);
    if (item) item.textContent = value === null || value === undefined ? "" : value.toFixed(plot.digits);
  }
}

function draw(figure) {
  const canvas = figure.querySelector(".canvas");
  const width = Math.floor(canvas.clientWidth);
  if (!width) return;
  const known = drawn.get(figure);
  const theme = colours();
  const key = `${figure.dataset.plot} ${width} ${theme.ink}`;
  if (known?.key === key) return;
  known?.plot.destroy();
  const plot = JSON.parse(figure.dataset.plot);
  const legend = new Map([...figure.querySelectorAll("[data-series]")].map((item) => [item.dataset.series, item.querySelector("b")]));
  const made = columns(plot, theme);
  drawn.set(figure, { key, plot: new uPlot(options(plot, theme, made, width, legend), made.data, canvas) });
}

const sizes = new ResizeObserver((entries) => entries.forEach((entry) => draw(entry.target.closest("figure"))));

/** Draw new plots below `root`, and forget removed ones. */
function drawAll(root) {
  for (const figure of drawn.keys()) {
    if (!figure.isConnected) {
      drawn.get(figure).plot.destroy();
      drawn.delete(figure);
    }
  }
  for (const figure of root.querySelectorAll("figure[data-plot]")) {
    sizes.observe(figure.querySelector(".canvas"));
    draw(figure);
  }
}

document.addEventListener("live:changed", (event) => drawAll(event.target));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawAll(document));
drawAll(document);
