// SPDX-License-Identifier: Apache-2.0
//
// Opens a page in headless Chromium and fails on any console error, page error or request that
// leaves the machine.
// Usage: node open_page.mjs URL_OR_FILE [--expect SELECTOR=COUNT]... [--text SNIPPET]...
//        [--screenshot FILE] [--size WIDTHxHEIGHT] [--dark] [--wait-ms N]
// Prints one JSON line: {"errors": [...], "counts": {...}, "title": ...}. Exit 0 clean, 1 not.
import { chromium } from "playwright-core";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const args = process.argv.slice(2);
const target = args.shift();
const options = { expect: [], text: [], width: 1280, height: 900, dark: false, waitMs: 500 };
while (args.length > 0) {
  const flag = args.shift();
  if (flag === "--expect") options.expect.push(args.shift());
  else if (flag === "--text") options.text.push(args.shift());
  else if (flag === "--screenshot") options.screenshot = args.shift();
  else if (flag === "--size") [options.width, options.height] = args.shift().split("x").map(Number);
  else if (flag === "--dark") options.dark = true;
  else if (flag === "--wait-ms") options.waitMs = Number(args.shift());
  else throw new Error(`unknown option ${flag}`);
}

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((p) => existsSync(p));
if (!executablePath) {
  console.error("no Chromium at /usr/bin/chromium: run scripts/setup");
  process.exit(1);
}
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const errors = [];
const counts = {};
let title = "";
try {
  const page = await browser.newPage({
    viewport: { width: options.width, height: options.height },
    colorScheme: options.dark ? "dark" : "light",
  });
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") {
      errors.push(`console ${message.type()}: ${message.text()}`);
    }
  });
  page.on("pageerror", (error) => errors.push(`page error: ${error.message}`));
  page.on("requestfailed", (request) => errors.push(`request failed: ${request.url()}`));
  page.on("request", (request) => {
    const { protocol, hostname } = new URL(request.url());
    const local = ["file:", "data:", "blob:", "about:"].includes(protocol) ||
      ["127.0.0.1", "localhost"].includes(hostname);
    if (!local) errors.push(`asks another machine: ${request.url()}`);
  });
  const url = /^[a-z]+:\/\//.test(target) ? target : pathToFileURL(resolve(target)).href;
  const live = url.startsWith("http");  // a live page's event stream never goes idle
  await page.goto(url, { waitUntil: live ? "load" : "networkidle", timeout: 60000 });
  await page.waitForTimeout(options.waitMs);
  title = await page.title();
  for (const entry of options.expect) {
    const [selector, wanted] = entry.split(/=(?=\d+$)/);
    counts[selector] = await page.locator(selector).count();
    if (counts[selector] < Number(wanted ?? 1)) {
      errors.push(`expected at least ${wanted ?? 1} of "${selector}", found ${counts[selector]}`);
    }
  }
  const body = await page.locator("body").innerText();
  for (const snippet of options.text) {
    if (!body.includes(snippet)) errors.push(`the page does not say "${snippet}"`);
  }
  if (options.screenshot) await page.screenshot({ path: options.screenshot, fullPage: true });
} catch (error) {
  errors.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify({ errors, counts, title }));
process.exit(errors.length === 0 ? 0 : 1);
