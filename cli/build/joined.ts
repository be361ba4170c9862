/**
 * One executable from the launcher, a Deno and modules: the layout that launcher/launcher.c reads. The launcher stands in
 * front and is the program; Deno begins on a page, so that it is mapped from the file itself and never unpacked.
 * Non-job: making the modules (bundle.ts), the launcher's source (launcher/launcher.c, built by launcher/make).
 */
import { LAUNCHERS } from "./launcher/objects.ts";
import type { Target } from "./target.ts";

/** What goes into the file. */
export interface Joining {
  readonly target: Target;
  /** Deno for that target, as it is. */
  readonly deno: Uint8Array<ArrayBuffer>;
  /** Arguments of Deno before the user's; `@{exe}` is the file itself, `@{0}` the first module. */
  readonly words: readonly string[];
  /** JavaScript, the first is the main module. */
  readonly modules: readonly Uint8Array<ArrayBuffer>[];
}

/** What the launcher is filled in with stands behind this mark, nine numbers of eight octets. */
const MARK = "postern-joined-1";
/** No page of any Linux of these processors is larger. */
const PAGE = 64 * 1024;

/** The whole file. @throws {RangeError} when a word holds a NUL. */
export function join(
  { target, deno, words, modules }: Joining,
  launchers: Readonly<Record<Target, string>> = LAUNCHERS,
): Uint8Array<ArrayBuffer> {
  if (words.some((each) => each.includes("\0"))) throw new RangeError("a word of Deno holds a NUL");
  const launcher = Uint8Array.fromBase64(launchers[target].replace(/\s+/g, ""));
  const text = new TextEncoder().encode(words.map((each) => `${each}\0`).join(""));
  const at = { deno: up(launcher.length, PAGE), words: 0, table: 0, modules: 0 };
  at.words = up(at.deno + deno.length, 8);
  at.table = up(at.words + text.length, 8);
  at.modules = at.table + modules.length * 16;
  const size = up(at.modules + modules.reduce((sum, each) => sum + up(each.length, 8), 0), 8);

  const file = new Uint8Array(size), view = new DataView(file.buffer);
  const put = (place: number, value: number) => view.setBigUint64(place, BigInt(value), true);
  file.set(launcher);
  file.set(deno, at.deno);
  file.set(text, at.words);
  let next = at.modules;
  for (const [index, each] of modules.entries()) {
    file.set(each, next);
    put(at.table + index * 16, next);
    put(at.table + index * 16 + 8, each.length);
    next += up(each.length, 8);
  }
  const image = placeOf(launcher);
  const numbers = [size, at.deno, deno.length, at.words, text.length, words.length, at.table, modules.length];
  for (const [index, value] of numbers.entries()) put(image + 24 + index * 8, value);
  view.setBigUint64(image + 16, digestOf(file), true);
  return file;
}

/** Where the launcher wants to be filled in. */
function placeOf(launcher: Uint8Array): number {
  const text = new TextDecoder("latin1").decode(launcher), place = text.indexOf(MARK);
  if (place < 0 || place % 8 !== 0 || text.indexOf(MARK, place + 1) >= 0) throw new RangeError("not a launcher");
  return place;
}

/** The launcher's digest_of: `file` with eight zeros where the digest will stand, its length a multiple of eight. */
export function digestOf(file: Uint8Array<ArrayBuffer>): bigint {
  const words = new Uint32Array(file.buffer, 0, file.length >>> 2), whole = words.length & ~7;
  const lanes = Uint32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
  for (let lane = 0; lane < 8; lane++) {
    let state = lane + 1;
    for (let at = lane; at < whole; at += 8) state = mixed(state, words[at]!);
    lanes[lane] = state;
  }
  for (let at = whole * 4, lane = 0; at < file.length; at++, lane = (lane + 1) & 7) {
    lanes[lane] = mixed(lanes[lane]!, file[at]!);
  }
  let first = file.length >>> 0, second = ~first >>> 0;
  for (let lane = 0; lane < 8; lane++) {
    first = mixed(first, lanes[lane]!);
    second = mixed(second, lanes[7 - lane]!);
  }
  return BigInt(first >>> 0) << 32n | BigInt(second >>> 0);
}

function mixed(lane: number, word: number): number {
  const value = lane ^ word;
  return Math.imul(value << 13 | value >>> 19, 0x9e3779b1);
}

function up(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
