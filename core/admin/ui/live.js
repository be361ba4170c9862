// Live traffic: when the server says that something happened, the page is looked at again and its rows are exchanged.
// It writes no markup, as site.js does not. Without it the page loads itself anew.
addEventListener("DOMContentLoaded", () => {
  const pause = byId("live-pause");
  if (!pause || !byId("live")) return;
  let paused = "paused" in byId("live").dataset, wanted = 0, looking = false, missed = false;
  const counts = new Map();

  async function look() {
    wanted = 0;
    if (paused) return;
    if (looking) return void (missed = true);
    looking = true;
    try {
      const answer = await fetch(live.href, { headers: { accept: "text/html" } });
      if (answer.ok && !answer.redirected && !paused) {
        show(new DOMParser().parseFromString(await answer.text(), "text/html"));
      }
    } catch { /* the event stream will say when the server is back */ }
    looking = false;
    if (missed) soon(1000);
    missed = false;
  }
  const soon = (milliseconds) => (wanted ||= setTimeout(look, milliseconds));
  const live = new URL(location.href);
  live.searchParams.delete("paused");

  function show(page) {
    const rows = (scope) => [...scope.querySelectorAll("#live tr[data-id]")];
    const known = new Set(rows(document).map((row) => row.dataset.id));
    const marked = new Set(rows(document).filter((row) => row.matches(".fresh")).map((row) => row.dataset.id));
    for (const id of ["live-rate", "live"]) {
      if (page.getElementById(id)) exchange(byId(id), document.adoptNode(page.getElementById(id)), true);
    }
    const news = rows(document).filter((row) => !known.has(row.dataset.id));
    for (const row of news) {
      const word = row.querySelector(".v").textContent.trim();
      counts.set(word, (counts.get(word) ?? 0) + 1);
    }
    // what came last stays marked until something else comes
    for (const row of news.length > 0 ? news : rows(document).filter((row) => marked.has(row.dataset.id))) {
      row.classList.add("fresh");
    }
  }
  setInterval(() => { // a busy server would be read aloud without end
    if (counts.size === 0) return;
    byId("live-said").textContent = `New: ${[...counts].map(([word, n]) => `${n} ${word}`).join(", ")}`;
    counts.clear();
  }, 3000);

  pause.onclick = (event) => {
    event.preventDefault();
    paused = !paused;
    pause.querySelector("span").textContent = paused ? "Go on" : "Pause";
    byId("live-said").textContent = paused ? "Paused" : "Going on";
    if (!paused) look();
  };
  pause.onkeydown = (event) => {
    if (event.key !== " ") return; // what is called a button is pressed as one
    event.preventDefault();
    pause.click();
  };
  const source = new EventSource("/api/v1/events?types=accepted,refused,session");
  for (const type of ["accepted", "refused", "session", "missed"]) {
    source.addEventListener(type, () => {
      soon(400); // the ledger writes in batches
      setTimeout(() => soon(400), 2000); // and what was late then is there now
    });
  }
  source.onopen = () => soon(0);
});
