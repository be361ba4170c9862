/**
 * Colours of what commands print: only on a terminal, unless `NO_COLOR` or `FORCE_COLOR` says otherwise; never on one that
 * calls itself dumb. Non-job: which word has which colour (the commands).
 */
import type { Terminal } from "../terminal.ts";

export type Tone = "red" | "green" | "yellow" | "magenta" | "cyan" | "dim" | "bold";
/** The text in that colour; null leaves it as it is. */
export type Paint = (tone: Tone | null, text: string) => string;

const CODES: Readonly<Record<Tone, number>> = {
  red: 31,
  green: 32,
  yellow: 33,
  magenta: 35,
  cyan: 36,
  dim: 2,
  bold: 1,
};

/** https://no-color.org first, then FORCE_COLOR (0 means no), then what standard output is. */
export function isColoured(terminal: Pick<Terminal, "env" | "screen">): boolean {
  const { env } = terminal;
  if (env["NO_COLOR"]) return false;
  const forced = env["FORCE_COLOR"];
  if (forced !== undefined && forced !== "") return forced !== "0" && forced !== "false";
  return env["TERM"] !== "dumb" && terminal.screen() !== null;
}

export function painter(terminal: Pick<Terminal, "env" | "screen">): Paint {
  return isColoured(terminal) ? paint : unpainted;
}

export const paint: Paint = (tone, text) => tone === null ? text : `\x1b[${CODES[tone]}m${text}\x1b[0m`;
export const unpainted: Paint = (_, text) => text;

/** How a verdict or the state of a recipient looks. */
export function toneOf(word: string): Tone | null {
  return TONES.get(word) ?? null;
}
const TONES: ReadonlyMap<string, Tone> = new Map([
  ["accepted", "green"],
  ["delivered", "green"],
  ["held", "magenta"],
  ["refused", "red"],
  ["failed", "red"],
  ["expired", "red"],
  ["bounced", "red"],
  ["corrupt", "red"],
  ["deferred", "yellow"],
  ["active", "cyan"],
  ["abandoned", "dim"],
  ["none", "dim"],
]);
