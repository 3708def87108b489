// Starts the system's Chromium; nothing is downloaded.

import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ARGUMENTS,
  });
}

/** A fresh page that keeps whatever went wrong in it: exceptions, console errors, CSP reports. */
export async function openPage(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const wrongs = [];
  page.on("pageerror", (error) => wrongs.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") wrongs.push(message.text());
  });
  await page.goto(url);
  return { page, wrongs, close: () => context.close() };
}

/** The share of the chart's pixels that are painted at all. */
export function paintedShare(page) {
  return page.evaluate(() => {
    const canvas = document.querySelector(".plot canvas");
    const { width, height } = canvas;
    const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
    let painted = 0;
    for (let i = 3; i < data.length; i += 4) painted += data[i] > 0 ? 1 : 0;
    return painted / (width * height);
  });
}
