// Keeps a page fresh: loads it again in the background when something happened, and puts the new parts in the place of
// the old ones. Everything on the page works without it; then a reload does the same.
"use strict";

const SLOW = 15_000; // milliseconds from one look to the next where nothing is expected to happen
const FAST = 4_000; // the same where the stream of news does not work
const LEAST = 1_500; // between two loads, however much happens
const PICTURES = 10_000; // between two loads of the pictures, or ten times what drawing them took
const OVER = ["done", "failed", "cancelled", "interrupted"];

const { stream: source, every, stamp } = document.body.dataset;
let known = stamp ?? "";
let loading = false, again = false, stream = null, timer = 0;
let drawnAt = Date.now(), pace = PICTURES, redraw = 0;

function putClocks(root) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const moment = new Date(time.dateTime);
    time.title = moment.toLocaleString();
    if ("clock" in time.dataset) time.textContent = moment.toLocaleTimeString();
  }
}

async function refresh() {
  if (loading) { again = true; return; }
  loading = true;
  const began = Date.now();
  try {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" }, cache: "no-store" });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) take(new DOMParser().parseFromString(await answer.text(), "text/html"));
  } catch {
    // The service is away: what is shown stays, with its time, and the next look is as late as this one was.
  }
  const pause = Math.max(LEAST, 4 * (Date.now() - began)); // a page that is slow to make is asked for less often
  setTimeout(() => { loading = false; if (again) { again = false; refresh(); } }, pause);
}

function take(fresh) {
  known = fresh.body.dataset.stamp ?? "";
  const count = (page) => page.querySelectorAll("[data-picture]").length;
  if (count(fresh) !== count(document)) { location.reload(); return; } // the first pictures, or none any more
  for (const part of document.querySelectorAll("[data-live]")) {
    const other = fresh.getElementById(part.id);
    if (!other || other.innerHTML === part.innerHTML) continue;
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    const open = [...part.querySelectorAll("details")].map((details) => details.open);
    part.replaceChildren(...other.childNodes);
    part.querySelectorAll("details").forEach((details, index) => { details.open = open[index] ?? false; });
    if (focused?.id) document.getElementById(focused.id)?.focus({ preventScroll: true });
  }
  putClocks(document);
  takePictures(fresh);
}

function takePictures(fresh) {
  clearTimeout(redraw);
  const left = drawnAt + pace - Date.now();
  if (left > 0) { redraw = setTimeout(() => takePictures(fresh), left); return; }
  drawnAt = Date.now();
  for (const other of fresh.querySelectorAll("[data-picture]")) {
    const image = document.getElementById(other.id), address = other.getAttribute("src");
    if (image.getAttribute("src") === address) continue;
    image.parentElement.querySelector("source").srcset = other.parentElement.querySelector("source").srcset;
    image.addEventListener("load", () => { pace = Math.max(PICTURES, 10 * (Date.now() - drawnAt)); }, { once: true });
    image.src = address; // the old picture stays until the new one is there
  }
}

function poll(delay) {
  clearInterval(timer);
  timer = setInterval(refresh, delay);
}

function listen() {
  stream = new EventSource(source);
  stream.addEventListener("stamp", ({ data }) => {
    if (data !== known) refresh();
    if (OVER.includes(data.split(" ")[0])) { stream.close(); poll(SLOW); }
  });
  stream.addEventListener("error", () => { if (stream.readyState === EventSource.CLOSED) poll(FAST); });
}

function start() {
  if (source) listen();
  else if (every) poll(1000 * Number(every));
}

function stop() {
  stream?.close();
  clearInterval(timer);
}

putClocks(document);
if (!document.hidden) start();
document.addEventListener("visibilitychange", () => {
  stop();
  if (document.hidden) return;
  if (source || every) refresh();
  start();
});
