/** The SMTP dialogue of a story as a card, line by line: what the ledger knows of it, or the words of a recording. */
import type { DialogueLine } from "../../../ledger/dialogue.ts";
import { plural } from "../format.ts";
import { foreign } from "../foreign.ts";
import { type Html, markup } from "../html.ts";

export interface Talk {
  readonly lines: readonly DialogueLine[];
  /** Word for word: the session was recorded. */
  readonly recorded: boolean;
}

const LINES = 200;
const WHO = { client: ["c", "C", "client: "], server: ["s", "S", "server: "], event: ["e", "", ""] } as const;

/** Null where nobody spoke. */
export function talkCard({ lines, recorded }: Talk): Html | null {
  if (lines.length === 0) return null;
  return markup`<section class="card" id="talk" aria-labelledby="talk-title">
  <header><h2 id="talk-title">SMTP dialogue</h2><span class="key"><span class="c"><b>C</b> client</span><span class="s"><b>S</b> postern</span><span>ms</span></span></header>
  <ol class="talk" tabindex="0" aria-label="SMTP dialogue, line by line">${lines.slice(0, LINES).map(line)}${
    lines.length > LINES &&
    markup`<li class="e"><span class="t"></span><span class="w"></span><span class="x">and ${
      plural(lines.length - LINES, "more line")
    }</span></li>`
  }</ol>
  <p class="pad soft"><small>${
    recorded
      ? "Word for word: this session was recorded. Contents are not shown."
      : "What the ledger keeps: of replies that agreed their code, of refusals every word. Recorded sessions are shown word for word."
  }</small></p>
</section>`;
}

function line({ who, at, text, refused }: DialogueLine): Html {
  const [kind, letter, spoken] = WHO[who];
  const said = text.split("\n").map((each) => foreign(each, 600)).join("\n");
  return markup`<li class="${kind}${refused && " no"}"><span class="t">${
    at === null ? "" : Math.round(at)
  }</span><span class="w" aria-hidden="true">${letter}</span><span class="x"><span class="vh">${spoken}</span><bdi>${said}</bdi></span></li>`;
}
