// What the smaller pages share: elements, numbers, charts and the theme.
const D = JSON.parse(document.getElementById("data").textContent);
const page = document.getElementById("page");
const root = document.documentElement;
function el(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== false) node.append(child.nodeType ? child : document.createTextNode(String(child)));
  return node;
}
const css = (name) => getComputedStyle(root).getPropertyValue("--" + name).trim();
const escapeHtml = (text) => String(text).replace(/[&<>"]/g, (c) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" }[c]));
const known = (x) => typeof x === "number" && Number.isFinite(x);
const digits = (x, n = 3) => known(x) ? Number(x.toPrecision(n)).toLocaleString("en", { maximumSignificantDigits: n }) : "–";
const percent = (x, n = 2) => known(x) ? (100 * x).toFixed(n) + " %" : "–";
const ms = (x) => !known(x) ? "–" : x >= 1000 ? (x / 1000).toFixed(2) + " s" : digits(x) + " ms";
// What rounds to zero has no sign.
const signed = (x, n) => { if (!known(x)) return "–"; const text = Math.abs(x).toFixed(n); return (Number(text) === 0 ? "" : x > 0 ? "+" : "−") + text; };
const chip = (text, kind, title) => el("span", { class: "chip " + (kind || ""), title }, text);

const font = { fontFamily: getComputedStyle(document.body).fontFamily };
const axisText = () => ({ color: css("soft"), fontSize: 11, ...font });
const tooltipStyle = () => ({ confine: true, backgroundColor: css("card"), borderColor: css("line"), textStyle: { color: css("ink"), fontSize: 12 } });
const charts = [];  // {box, option()}
function draw() {
  for (const c of charts) {
    if (!c.box.isConnected || c.box.clientWidth === 0) continue;
    if (c.chart) c.chart.dispose();
    c.chart = echarts.init(c.box, null, { renderer: "svg" });
    c.chart.setOption(c.option());
  }
}
let resizing = 0;
addEventListener("resize", () => { cancelAnimationFrame(resizing); resizing = requestAnimationFrame(() => { for (const c of charts) if (c.chart && c.box.clientWidth) c.chart.resize(); }); });

// At once, as charts take their colours from it.
const themeButton = document.getElementById("theme");
function setTheme(dark) { if (dark) root.dataset.theme = "dark"; else delete root.dataset.theme; themeButton.textContent = dark ? "Light" : "Dark"; }
setTheme(matchMedia("(prefers-color-scheme: dark)").matches);
themeButton.addEventListener("click", () => { setTheme(root.dataset.theme !== "dark"); draw(); });
