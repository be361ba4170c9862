/** The files that pages load, read once at start, named by what they hold so that browsers may keep them for good. */
import { createHash } from "node:crypto";
import house from "./house.css" with { type: "text" };
import houseScript from "./house.js" with { type: "text" };
import live from "./live.js" with { type: "text" };
import plots from "./plots.css" with { type: "text" };
import inbox from "./inbox.css" with { type: "text" };
import css from "./site.css" with { type: "text" };
import js from "./site.js" with { type: "text" };
import story from "./story.css" with { type: "text" };
import { MARK_FILE } from "./icons.ts";

export interface Asset {
  /** The path with the hash of the content. */
  readonly href: string;
  readonly type: string;
  readonly content: string;
}

function asset(name: string, type: string, content: string): Asset {
  const hash = createHash("sha256").update(content).digest("base64url").slice(0, 12);
  return { href: `/assets/${name}?v=${hash}`, type, content };
}

export const ASSETS = {
  "site.css": asset("site.css", "text/css; charset=utf-8", [css, plots, story, inbox, house].join("\n")),
  "site.js": asset("site.js", "text/javascript; charset=utf-8", [js, live, houseScript].join("\n")),
  "mark.svg": asset("mark.svg", "image/svg+xml", MARK_FILE),
} as const;
