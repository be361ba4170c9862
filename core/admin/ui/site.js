// The script of the site: theme, copy buttons, tabs, and the inbox that changes in place. Every page works without it.
// It writes no markup: what changes comes as a page from the server and is taken from there node by node.
const root = document.documentElement;
let theme = null;
try {
  theme = localStorage.getItem("theme");
} catch { /* storage may be off */ }
if (theme === "light" || theme === "dark") root.dataset.theme = theme;

const byId = (id) => document.getElementById(id);
/** Regions of the inbox that are exchanged one by one, so that the search field keeps its focus and the list its place. */
const REGIONS = ["boxes", "msgs", "read", "unread"];

// ---- What each new piece of a page needs ---------------------------------------------------------------------------

function wire(scope) {
  for (const button of scope.querySelectorAll("button[data-copy]")) {
    button.hidden = false;
    button.onclick = async () => {
      await navigator.clipboard.writeText(byId(button.dataset.copy).textContent.trim());
      button.querySelector("span").textContent = "Copied";
    };
  }
  for (const list of scope.querySelectorAll(".tabs")) tabs(list);
  for (const link of scope.querySelectorAll(".load-remote")) link.onclick = () => (link.hidden = true);
}

/** Turns stacked panels into tabs. The one that was open stays so from message to message. */
let openTab = location.hash.slice(1);
function tabs(list) {
  const all = [...list.querySelectorAll("a")];
  const panel = (tab) => byId(tab.hash.slice(1));
  const raise = (tab, focus) => {
    for (const each of all) {
      each.setAttribute("aria-selected", each === tab);
      each.tabIndex = each === tab ? 0 : -1;
      panel(each).hidden = each !== tab;
    }
    if (focus) tab.focus();
  };
  const choose = (tab, focus) => {
    openTab = tab.hash.slice(1);
    raise(tab, focus);
  };
  list.setAttribute("role", "tablist");
  list.parentElement.classList.add("tabbed");
  all.forEach((tab, i) => {
    tab.setAttribute("role", "tab");
    tab.setAttribute("aria-controls", panel(tab).id);
    panel(tab).setAttribute("role", "tabpanel");
    panel(tab).setAttribute("aria-label", tab.textContent.trim());
    tab.onclick = (event) => {
      event.preventDefault();
      choose(tab);
    };
    tab.onkeydown = (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      choose(all[(i + step + all.length) % all.length], true);
    };
  });
  raise(all.find((tab) => tab.hash.slice(1) === openTab) ?? all[0]);
}

// ---- The inbox in place ----------------------------------------------------------------------------------------------

let visits = 0, looks = 0;
/** A page was asked for, and what is shown is not yet it. */
let underway = false;
/**
 * Shows the page at `url` by exchanging what differs. With `keep` it is another look at the same page: `only` names the
 * regions to take, and a visit since then makes it void. Of two visits, or of two looks, the newest wins.
 */
async function go(url, { only = REGIONS, keep = false } = {}) {
  const visit = keep ? visits : ++visits, look = ++looks;
  const late = () => visit !== visits || keep && look !== looks;
  let page;
  if (!keep) underway = true;
  try {
    const answer = await fetch(url, { headers: { accept: "text/html" } });
    if (keep && answer.status === 404 && !late()) return show(`/inbox${location.search}`); // what is open was deleted
    if (answer.redirected || !answer.ok) throw new Error("not that page");
    page = new DOMParser().parseFromString(await answer.text(), "text/html");
  } catch {
    if (!keep && !late()) location.assign(url); // with the keys that wait: what they were meant for is not shown
    return;
  }
  if (late()) return;
  if (!byId("msgs") || !page.getElementById("msgs")) {
    byId("main").replaceWith(document.adoptNode(page.getElementById("main")));
    byId("unread")?.replaceWith(document.adoptNode(page.getElementById("unread")));
    wire(byId("main"));
  } else {
    const known = new Set([...document.querySelectorAll(".msgs a")].map((link) => link.dataset.id));
    for (const id of only) {
      exchange(byId(id), document.adoptNode(page.getElementById(id)), keep);
    }
    byId("find-inbox").value = page.getElementById("find-inbox").value;
    if (keep) {
      for (const link of document.querySelectorAll(".msgs a")) {
        if (!known.has(link.dataset.id)) link.classList.add("fresh");
      }
    } else {
      document.querySelector(".mail").classList.toggle("opened", page.querySelector(".mail.opened") !== null);
    }
  }
  if (!keep) {
    document.title = page.title;
    byId("read")?.scrollTo(0, 0);
    document.querySelector('.msgs [aria-current="true"]')?.scrollIntoView({ block: "nearest" });
    underway = false;
  }
  settle();
  pressWaiting();
}

/** Puts `fresh` where `old` is. With `keep` nobody is torn out of what they do: an open question, a control in focus. */
function exchange(old, fresh, keep) {
  if (old.isEqualNode(fresh)) return;
  const nth = (scope, each) => [...scope.querySelectorAll(each.localName)].indexOf(each);
  const same = (each) => {
    const all = [...fresh.querySelectorAll(each.localName)];
    if (each.type === "checkbox") return all.find(({ value }) => value === each.value);
    return each.href ? all.find(({ href }) => href === each.href) : all[nth(old, each)];
  };
  const focused = keep && old.contains(document.activeElement) ? same(document.activeElement) : null;
  if (keep) {
    for (const question of old.querySelectorAll("details[open]")) same(question)?.setAttribute("open", "");
  }
  for (const ticked of old.querySelectorAll(".msgs input:checked")) {
    const again = [...fresh.querySelectorAll(".msgs input")].find(({ value }) => value === ticked.value);
    if (again) again.checked = true;
  }
  old.replaceWith(fresh);
  wire(fresh);
  focused?.focus({ preventScroll: true });
}

/** After any change: what is open is read, and the title says how many are not. */
function settle() {
  const subject = byId("subject");
  if (subject && "unread" in subject.dataset) {
    delete subject.dataset.unread;
    fetch(`/api/v1/messages/${subject.dataset.id}`, {
      method: "PATCH",
      headers: { "content-type": "application/json" },
      body: '{"read":true}',
    }).then((answer) => answer.ok && markedRead(subject.dataset.id));
  }
  title();
}
function title() {
  const unread = Number(byId("unread")?.dataset.unread ?? 0);
  document.title = (unread > 0 ? `(${unread}) ` : "") + document.title.replace(/^\(\d+\) /, "");
}
function markedRead(id) {
  const form = document.querySelector(".mark-read")?.form;
  if (form?.action.endsWith(`/${id}/read`)) {
    form.action = form.action.replace(/\/read$/, "/unread");
    form.querySelector("button").textContent = "Mark unread";
  }
  go(location.href, { only: ["boxes", "msgs", "unread"], keep: true });
}

/** Selects the message that is open, or no longer. */
const tick = () => {
  const box = document.querySelector('.msgs li:has([aria-current="true"]) input');
  if (box) box.checked = !box.checked;
};
const move = (step) => {
  const links = [...document.querySelectorAll(".msgs a")];
  const at = links.findIndex((link) => link.getAttribute("aria-current") === "true");
  const link = links[at < 0 ? 0 : at + step];
  if (link) show(link.href);
};
function show(url) {
  history.pushState(null, "", url);
  for (const link of document.querySelectorAll(".msgs a")) { // at once: the next key counts from here
    if (link.href === location.href) link.setAttribute("aria-current", "true");
    else link.removeAttribute("aria-current");
  }
  go(url);
}

/** Many arrivals in a row cost one look. */
let pending = 0;
function changed() {
  pending ||= setTimeout(() => {
    pending = 0;
    go(location.href, { only: ["boxes", "msgs", "unread"], keep: true });
  }, 100);
}

function inbox() {
  const source = new EventSource("/api/v1/events");
  source.addEventListener("arrived", changed);
  source.addEventListener("removed", changed);
  source.onopen = changed; // something may have come since the page was made, or since the stream was lost
  addEventListener("popstate", () => go(location.href));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.(".msgs a, .boxes a, .pager a, .back a");
    if (!link || event.defaultPrevented || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey) {
      return;
    }
    if (link.closest(".boxes, .pager, .back") && !byId("msgs")) return;
    event.preventDefault();
    if (link.closest(".boxes")) byId("find").value = "";
    show(link.href);
  });
  let typing = 0;
  document.addEventListener("input", (event) => {
    if (event.target.id !== "find") return;
    clearTimeout(typing);
    typing = setTimeout(() => {
      const url = new URL("/inbox", location.href);
      for (const [name, value] of new FormData(event.target.form)) if (value) url.searchParams.set(name, value);
      history.replaceState(null, "", url);
      go(url.href);
    }, 150);
  });
}

// ---- Keys ------------------------------------------------------------------------------------------------------------

const KEYS = {
  "/": () => byId("find") ?? byId("find-any"),
  j: () => byId("msgs") && (() => move(1)),
  k: () => byId("msgs") && (() => move(-1)),
  u: () => document.querySelector(".mark-read")?.form,
  x: () => byId("msgs") && tick,
  Enter: () => document.activeElement === document.body && document.querySelector(".tabs [aria-selected=true]"),
  Delete: () =>
    document.querySelector(".msgs input:checked")
      ? () => document.querySelector(".delete-many").click()
      : document.querySelector(".delete")?.form,
};
/** Those that act on the message that is shown: after a `j` they mean the one that comes, not the one that still stands. */
const ON_SHOWN = new Set(["u", "Enter", "Delete"]);
/** Keys pressed before there was what they act on, in their order: the page still came, or the next message did. */
const waiting = [];
const mustWait = (key) => document.readyState === "loading" && key !== "/" || underway && ON_SHOWN.has(key);

/** Acts at once, not when the page is whole: what can be seen can be used. */
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName) && event.target.type !== "checkbox") {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "Escape") return shut(document.activeElement, true);
  if (!Object.hasOwn(KEYS, event.key) || event.key === "Enter" && document.activeElement !== document.body) return;
  if (waiting.length > 0 || mustWait(event.key)) {
    event.preventDefault();
    if (waiting.length < 20) waiting.push(event.key); // a key held down
  } else if (press(event.key)) event.preventDefault();
});

/** Whether the key has something to act on here. */
function press(key) {
  const act = KEYS[key]();
  if (!act) return false;
  if (typeof act === "function") act();
  else if (act.localName !== "form") act.focus();
  else act.requestSubmit();
  return true;
}
function pressWaiting() {
  while (waiting.length > 0 && !mustWait(waiting[0])) press(waiting.shift());
}

// ---- The page --------------------------------------------------------------------------------------------------------

addEventListener("DOMContentLoaded", () => {
  for (const button of document.querySelectorAll("button.theme")) {
    button.hidden = false;
    button.onclick = () => {
      const set = root.dataset.theme;
      const dark = set ? set === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = dark ? "light" : "dark";
      try {
        localStorage.setItem("theme", root.dataset.theme);
      } catch { /* as above */ }
    };
  }
  wire(document);
  if (byId("msgs") || byId("empty")) {
    inbox();
    settle();
  }
  pressWaiting();
  document.addEventListener("click", (event) => shut(event.target)); // one menu at a time, closed by a click beside it
  document.addEventListener("focusin", (event) => {
    for (const menu of document.querySelectorAll(".nav details[open]")) {
      if (!menu.contains(event.target)) menu.open = false; // who walks on by Tab has left it
    }
  });
});

/** Closes every menu that does not hold `inside`; by Escape also that one, whose button then has the focus. */
function shut(inside, escaped = false) {
  for (const menu of document.querySelectorAll("details.ask[open], .nav details[open], details.filters[open]")) {
    if (menu.contains(inside) && !escaped) continue;
    menu.open = false;
    if (escaped && menu.contains(inside)) menu.querySelector("summary").focus();
  }
}
