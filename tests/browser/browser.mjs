// Starts the system's Chromium; nothing is downloaded.

import { chromium } from "playwright-core";

const ARGUMENTS = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: ARGUMENTS,
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
