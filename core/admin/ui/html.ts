/**
 * Markup as values: `markup` escapes whatever is put into it unless it is markup already, so that nothing of a message
 * becomes a tag or ends an attribute. Attributes are always written in double quotes; names of tags and attributes, URLs'
 * schemes and the inside of style and script are never put in.
 */

/** Markup that may stand in a page as it is. */
export class Html {
  constructor(readonly text: string) {}
  toString(): string {
    return this.text;
  }
}

/** What may be put into a template; null, undefined and false put nothing. */
export type Child = Html | string | number | null | undefined | false | readonly Child[];

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
  "`": "&#96;",
};

export function escape(text: string): string {
  return text.replace(/[&<>"'`]/g, (char) => ESCAPES[char]!);
}

export function markup(parts: TemplateStringsArray, ...children: readonly Child[]): Html {
  let out = parts[0]!;
  for (let i = 0; i < children.length; i++) out += render(children[i]) + parts[i + 1]!;
  return new Html(out);
}

function render(child: Child): string {
  if (child instanceof Html) return child.text;
  if (typeof child === "string") return escape(child);
  if (typeof child === "number") return String(child);
  if (child === null || child === undefined || child === false) return "";
  return child.map(render).join("");
}
