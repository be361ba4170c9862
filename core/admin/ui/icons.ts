/** The signs of the site and its mark: strokes on a 16 by 16 grid, coloured by what stands around them. */
import { Html, markup } from "./html.ts";

const PATHS = {
  ok: '<path d="M3 8.5l3.2 3.2L13 5"/>',
  bad: '<path d="M4 4l8 8M12 4l-8 8"/>',
  wait: '<circle cx="8" cy="8" r="6"/><path d="M8 4.8V8l2.2 1.6"/>',
  hold: '<path d="M5.5 3.5v9M10.5 3.5v9"/>',
  seen: '<path d="M1.5 8S4 3.8 8 3.8 14.5 8 14.5 8 12 12.2 8 12.2 1.5 8 1.5 8z"/><circle cx="8" cy="8" r="1.8"/>',
  warn: '<path d="M8 2.2L14.6 13.6H1.4z"/><path d="M8 6.5v3.2M8 11.7v.01"/>',
  find: '<circle cx="7" cy="7" r="4.5"/><path d="M10.5 10.5L14 14"/>',
  copy:
    '<rect x="5.5" y="5.5" width="8" height="8" rx="1.5"/><path d="M10.5 3.5v-.5A1.5 1.5 0 0 0 9 1.5H3.5A1.5 1.5 0 0 0 2 3v5.5A1.5 1.5 0 0 0 3.5 10H4"/>',
  half: '<circle cx="8" cy="8" r="6"/><path d="M8 2a6 6 0 0 1 0 12z" fill="currentColor" stroke="none"/>',
  lock: '<rect x="3.5" y="7" width="9" height="6.5" rx="1"/><path d="M5.5 7V5a2.5 2.5 0 0 1 5 0v2"/>',
  pass: '<circle cx="8" cy="8" r="3" fill="currentColor" stroke="none"/>',
  x: '<path d="M4 4l8 8M12 4l-8 8"/>',
  none: '<circle cx="8" cy="8" r="3"/>',
  clip: '<path d="M12.5 7.5l-4.6 4.6a2.8 2.8 0 0 1-4-4l5-5a1.9 1.9 0 0 1 2.7 2.7l-4.9 4.9"/>',
  plus: '<path d="M8 3v10M3 8h10"/>',
  down: '<path d="M4.5 6.5L8 10l3.5-3.5"/>',
  back: '<path d="M9.5 4L5.5 8l4 4"/>',
} as const;
export type IconName = keyof typeof PATHS;

/** A sign; the word beside it says the same, so it is hidden from readers of words. */
export function icon(name: IconName): Html {
  return new Html(`<svg class="i" viewBox="0 0 16 16" aria-hidden="true">${PATHS[name]}</svg>`);
}

/** A wall, a gate in it, and the flap of an envelope across the gate. */
export const MARK: Html = markup`
  <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
    <rect class="wall" width="24" height="24" rx="5" />
    <path class="door" d="M6.5 20.5v-9a5.5 5.5 0 0 1 11 0v9" />
    <path class="door" d="M6.5 11.5l5.5 4.2 5.5-4.2" />
  </svg>
`;

/** The mark as a file, for the tab of a browser. */
export const MARK_FILE =
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><style>.w{fill:#1c1b18}.d{fill:none;stroke:#fff;stroke-width:1.75;stroke-linejoin:round;stroke-linecap:round}@media(prefers-color-scheme:dark){.w{fill:#eeebe4}.d{stroke:#1f1d1a}}</style><rect class="w" width="24" height="24" rx="5"/><path class="d" d="M6.5 20.5v-9a5.5 5.5 0 0 1 11 0v9M6.5 11.5l5.5 4.2 5.5-4.2"/></svg>`;

/** A verdict: shape, word and colour, never colour alone. */
export type Tone = "ok" | "bad" | "wait" | "hold" | "seen" | "none";
export function verdict(tone: Tone, word: string, sign: IconName = tone): Html {
  return markup`<span class="v v-${tone}">${icon(sign)}${word}</span>`;
}
