// Live updates, and conveniences. Every page works without it.
"use strict";

// A choice in a form of filters is shown at once.
for (const form of document.querySelectorAll("form[data-submit]")) {
  form.addEventListener("change", () => form.requestSubmit());
}

document.getElementById("theme")?.addEventListener("click", () => {
  const root = document.documentElement;
  const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
  try { localStorage.setItem("theme", root.dataset.theme); } catch { /* it holds for this page */ }
});

const query = document.getElementById("query");
query?.addEventListener("keydown", (e) => {
  if (e.key === "Enter" && (e.ctrlKey || e.metaKey)) {
    e.preventDefault();
    query.form.requestSubmit();
  }
});

// The server says that something has changed; the page asks for itself and takes
// over its live parts. A part that holds the focus is left alone, so that nobody
// loses their place.
const status = document.getElementById("live");
if (document.querySelector("[data-live]") && window.EventSource) {
  const pause = 1500;
  let due = 0, loading = false, again = false;

  async function refresh() {
    due = 0;
    if (loading || document.hidden) { again = true; return; }
    loading = true;
    again = false;
    try {
      const answer = await fetch(location.href, { credentials: "same-origin" });
      if (answer.ok && !answer.redirected) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const next = fresh.getElementById(part.id);
          if (!next || part.contains(document.activeElement) || part.innerHTML === next.innerHTML) continue;
          const places = [...part.querySelectorAll(".scroll")].map((s) => [s.scrollLeft, s.scrollTop]);
          part.replaceChildren(...next.childNodes);
          [...part.querySelectorAll(".scroll")].forEach((s, i) => { if (places[i]) [s.scrollLeft, s.scrollTop] = places[i]; });
        }
      }
    } catch { /* the stream connects again and says so */ } finally {
      loading = false;
      if (again && !document.hidden) schedule();
    }
  }
  // Viewers do not all ask in the same moment.
  function schedule() { if (!due) due = setTimeout(refresh, pause * (0.5 + Math.random())); }

  const stream = new EventSource("/events");
  stream.addEventListener("open", () => { status.textContent = "live"; status.classList.add("on"); });
  stream.addEventListener("error", () => { status.textContent = "not live"; status.classList.remove("on"); });
  stream.addEventListener("change", schedule);
  document.addEventListener("visibilitychange", () => { if (!document.hidden && again) schedule(); });
  addEventListener("pagehide", () => stream.close());
  addEventListener("pageshow", (e) => { if (e.persisted) location.reload(); });
}
