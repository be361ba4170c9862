/**
 * What every page has around its content: the bar with the pages that exist, what an operator should act on, the foot.
 */
import type { Site } from "../options.ts";
import { ASSETS } from "./assets.ts";
import { age, count } from "./format.ts";
import { type Child, type Html, markup } from "./html.ts";
import { icon, MARK } from "./icons.ts";

/** The pages, each under `/NAME`. One is listed where its route exists. */
export type PageName =
  | "overview"
  | "sessions"
  | "live"
  | "queue"
  | "quarantine"
  | "delivery"
  | "suppressions"
  | "inbox"
  | "plugins"
  | "configuration"
  | "certificates"
  | "audit"
  | "api";
/** Those that stand in the bar, in its order. */
export const BAR: readonly PageName[] = ["overview", "sessions", "queue", "inbox", "plugins"];
/** Those behind More. */
export const MORE: readonly PageName[] = [
  "quarantine",
  "live",
  "delivery",
  "suppressions",
  "configuration",
  "certificates",
  "audit",
  "api",
];

/** What a page needs to know of the site and of the request. */
export interface PageContext {
  readonly site: Site;
  /** The pages that exist here. */
  readonly pages: readonly PageName[];
  /** Unread messages of all inboxes, for the bar. */
  readonly unread: number;
  readonly warnings: readonly string[];
  /** True when there is a session to end. */
  readonly session: boolean;
  /** For the hidden field of forms. */
  readonly formToken: string;
  readonly now: number;
}
const LABELS: Readonly<Record<PageName, string>> = {
  overview: "Overview",
  sessions: "Sessions",
  live: "Live",
  queue: "Queue",
  quarantine: "Quarantine",
  delivery: "Delivery by domain",
  suppressions: "Suppression list",
  inbox: "Inbox",
  plugins: "Plugins",
  configuration: "Configuration",
  certificates: "Certificates",
  audit: "Audit",
  api: "API",
};

/** The head of every page, the sign-in page's too. `refresh`: seconds after which it loads anew where there is no script. */
export function head(title: string, refresh?: number): Html {
  return markup`
      <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>${title} · Postern</title>
        <link rel="icon" href="${ASSETS["mark.svg"].href}" type="image/svg+xml">
        <link rel="stylesheet" href="${ASSETS["site.css"].href}">
        <script src="${ASSETS["site.js"].href}"></script>
        ${refresh !== undefined && markup`<noscript><meta http-equiv="refresh" content="${refresh}"></noscript>`}
      </head>
  `;
}

/** What pages show of one node where several share the store; all else is of all nodes. */
const OF_NODE: Partial<Record<PageName, string>> = {
  overview: "Sessions that are open, alarms and the timings of plugins",
  live: "What comes in while the page is open",
  delivery: "How hosts answer",
  queue: "The state of destinations",
  plugins: "Timings",
  certificates: "Certificates",
  configuration: "The configuration",
};

function ofNode(current: PageName, node: string): Html | null {
  const what = OF_NODE[current];
  return what === undefined ? null : markup`<p class="note">${what}: of node ${node} alone.</p>`;
}

export function page(
  context: PageContext,
  options: {
    readonly title: string;
    readonly current?: PageName;
    readonly main: Child;
    /** Seconds after which it loads anew where there is no script. */
    readonly refresh?: number;
  },
): Html {
  const { site } = context;
  return markup`
    <!doctype html>
    <html lang="en">
      ${head(options.title, options.refresh)}
      <body>
        <a class="skip" href="#main">Skip to content</a>
        <header class="bar">
          <div class="bar-in">
      <a class="brand" href="/">${MARK}postern</a>
      <span class="host">${site.hostname}${site.devInbox && ", dev inbox"}${
    site.node != null && `, node ${site.node}`
  }</span>
      ${nav(context, options.current)}
      ${context.pages.includes("sessions") && finder()}
      <button class="btn quiet icon theme" type="button" hidden aria-label="Switch between light and dark">${
    icon("half")
  }</button>${
    context.session &&
    markup`<form method="post" action="/logout">${hidden(context)}<button class="btn quiet">Sign out</button></form>`
  }
          </div>
        </header>
        <main id="main">
    ${
    context.warnings.length > 0 &&
    markup`<ul class="acts">${
      context.warnings.map((warning) => markup`<li class="wait">${icon("warn")}<b>${warning}</b></li>`)
    }</ul>`
  }
    ${site.node != null && options.current !== undefined && ofNode(options.current, site.node)}
    ${options.main}
        </main>
        <footer class="foot"><span>Postern ${site.version}</span><span>up ${age(context.now - site.startedAt)}</span>${
    site.smtp.length > 0 && markup`<span>SMTP ${site.smtp.join(", ")}</span>`
  }<span>data ${site.data}</span><span>times are UTC</span></footer>
      </body>
    </html>
  `;
}

function nav(context: PageContext, current: PageName | undefined): Html {
  const known = (names: readonly PageName[]) => names.filter((name) => context.pages.includes(name));
  const link = (name: PageName) =>
    markup`<li><a href="/${name}"${name === current && markup` aria-current="page"`}>${LABELS[name]}${
      name === "inbox" && unreadBadge(context.unread)
    }</a></li>`;
  const more = known(MORE), inside = more.some((name) => name === current);
  return markup`<nav class="nav" aria-label="Pages"><ul>${known(BAR).map(link)}${
    more.length > 0 &&
    markup`<li><details${inside && markup` class="in"`}><summary>${
      inside ? markup`<span class="wide">${LABELS[current!]}</span><span class="phone">More</span>` : "More"
    } ${icon("down")}</summary><ul>${more.map(link)}</ul></details></li>`
  }</ul></nav>`;
}

/** Leads to the story of an id, or to what is found of anything else (sessions_pages.ts). */
function finder(): Html {
  return markup`<form class="find" role="search" action="/sessions" aria-label="Sessions and messages">${
    icon("find")
  }<label class="vh" for="find-any">Find a session or a message by id, address or IP</label><input id="find-any" name="q" type="search" maxlength="200" placeholder="Id, address or IP" autocomplete="off" spellcheck="false"><kbd aria-hidden="true">/</kbd></form>`;
}

function unreadBadge(unread: number): Html {
  return markup` <span class="n" id="unread" data-unread="${unread}">${
    unread > 0 && markup`${count(unread)}<span class="vh"> unread</span>`
  }</span>`;
}

/** The field without which a form of ours is not heard (guard.ts). */
export function hidden(context: Pick<PageContext, "formToken">): Html {
  return markup`<input type="hidden" name="token" value="${context.formToken}">`;
}

/** A button that changes something at once. */
export function action(
  context: PageContext,
  options: { readonly to: string; readonly label: Child; readonly kind?: string; readonly fields?: Child },
): Html {
  return markup`
    <form method="post"
      action="${options.to}">${hidden(context)}${options.fields}<button class="btn ${
    options.kind ?? ""
  }">${options.label}</button></form>
  `;
}

/** A button that asks again, with its effect in words; no script is needed. */
export function ask(
  context: PageContext,
  options: {
    readonly to: string;
    readonly label: string;
    readonly effect: Child;
    readonly sure: string;
    readonly fields?: Child;
  },
): Html {
  return markup`
    <details class="ask">
      <summary class="btn danger">${options.label}…</summary>
      <div class="menu"><p>${options.effect}</p>${
    action(context, {
      to: options.to,
      label: options.sure,
      kind: "danger",
      fields: options.fields,
    })
  }</div>
    </details>
  `;
}

/** A command to copy. `id` is unique in the page. */
export function command(id: string, text: string, options: { readonly shell: boolean }): Html {
  return markup`
    <div class="cmd${
    !options.shell &&
    " bare"
  }"><code id="${id}">${text}</code><button class="btn quiet" type="button" data-copy="${id}" hidden>${
    icon("copy")
  }<span>Copy</span></button></div>
  `;
}

/** A page that only says something. */
export function notice(
  context: PageContext,
  options: { readonly title: string; readonly text: Child; readonly current?: PageName },
): Html {
  const main = markup`
    <div class="first">
      <div class="hero">${MARK}<div><h1>${options.title}</h1><p>${options.text}</p></div></div>
    </div>
  `;
  return page(context, { ...options, main });
}
