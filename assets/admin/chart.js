// Charts of what came and went each minute of the last hour.
import { html, useEffect, useRef } from "./vendor/preact.js";

const MINUTES = 60;
const HEIGHT = 200;

/** The last hour of some metrics by minute: `at` in seconds, and the sums of `made`, `succeeded`, and `failed`. */
export const lastHour = (metrics) => {
  const now = Math.floor(Date.now() / 60000);
  const at = Array.from({ length: MINUTES }, (_, index) => (now - MINUTES + 1 + index) * 60);
  const rows = new Map(at.map((second) => [second, { made: 0, succeeded: 0, failed: 0 }]));
  for (const minute of metrics.flatMap((of) => of.minutes)) {
    const row = rows.get(Math.floor(new Date(minute.at) / 60000) * 60);
    if (!row) continue;
    row.made += minute.made;
    row.succeeded += minute.succeeded;
    row.failed += minute.failed + minute.dead;
  }
  const column = (name) => at.map((second) => rows.get(second)[name]);
  return { at, made: column("made"), succeeded: column("succeeded"), failed: column("failed") };
};

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const hourOf = (second) => clock.format(new Date(second * 1000));

/** What a colour of the style sheet is in the present mode, for a canvas knows no variables. */
const colors = (place) => (name) => {
  place.style.color = `var(${name})`;
  const { color } = getComputedStyle(place);
  place.style.color = "";
  return color;
};

const options = (place, height) => {
  const color = colors(place);
  const line = (label, name) => ({ label, stroke: color(name), width: 1.5, points: { show: false } });
  const axis = { stroke: color("--chart-text"), grid: { stroke: color("--chart-grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
  return {
    width: place.clientWidth,
    height,
    cursor: { drag: { x: false, y: false } },
    legend: { live: true },
    scales: { y: { range: (_chart, _min, max) => [0, Math.max(max * 1.1, 5)] } },
    axes: [{ ...axis, values: (_chart, values) => values.map(hourOf) }, { ...axis, size: 48, values: (_chart, values) => values.map((value) => (Number.isInteger(value) ? value.toLocaleString() : "")) }],
    series: [{ label: "Minute", value: (_chart, second) => (second ? hourOf(second) : "–") }, line("Made", "--chart-made"), line("Succeeded", "--chart-succeeded"), line("Failed", "--chart-failed")],
  };
};

/** A chart of the last hour. It is as wide as its place. */
export const Throughput = ({ hour, label }) => {
  const place = useRef(null);
  const chart = useRef(null);
  const data = [hour.at, hour.made, hour.succeeded, hour.failed];
  useEffect(() => {
    const make = () => {
      chart.current?.destroy();
      chart.current = new uPlot(options(place.current, HEIGHT), chart.current?.data ?? data, place.current);
    };
    make();
    const wide = new ResizeObserver(() => chart.current?.setSize({ width: place.current.clientWidth, height: HEIGHT }));
    wide.observe(place.current);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", make);
    return () => {
      wide.disconnect();
      dark.removeEventListener("change", make);
      chart.current.destroy();
    };
  }, []);
  useEffect(() => chart.current?.setData(data), [hour]);
  const sum = (column) => column.reduce((all, value) => all + value, 0);
  const said = `${label}: ${sum(hour.made)} made, ${sum(hour.succeeded)} succeeded, ${sum(hour.failed)} failed in the last hour.`;
  return html`<figure class="chart"><figcaption class="unseen">${said}</figcaption><div ref=${place} aria-hidden="true"></div></figure>`;
};

/** What succeeded, in the space of a word. */
export const Spark = ({ hour }) => {
  const most = Math.max(...hour.succeeded, ...hour.failed, 1);
  const points = (column) => column.map((value, index) => `${(index * 96) / (MINUTES - 1)},${23 - (value / most) * 22}`).join(" ");
  return html`<svg class="spark" viewBox="0 0 96 24" role="img" aria-label="Most in a minute: ${most === 1 ? Math.max(...hour.succeeded, ...hour.failed) : most}">
    <polyline class="succeeded" points=${points(hour.succeeded)} />
    ${hour.failed.some(Boolean) && html`<polyline class="failed" points=${points(hour.failed)} />`}
  </svg>`;
};
