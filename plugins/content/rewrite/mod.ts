/**
 * Changes the body of messages on the operator's word: parts that go, and a text at the end. Everything else stays octet
 * by octet. What is signed or encrypted is not changed. Breaks the signatures over the message: put it before dkim_sign
 * and behind what verifies. Non-job: judging files (attachments), the header (the verbs of a plugin of your own).
 */
import { z } from "zod";
import {
  defineMessagePlugin,
  type EdgeContext,
  type EdgePhases,
  parseSize,
  type PartHead,
  type PluginFactory,
} from "../../../core/pipeline/mod.ts";
import { RELAY } from "../../access/relay/key.ts";
import { type BodyEdit, type BodyPart, readParts } from "../body_edits.ts";
import { dropParts } from "../drop_parts.ts";
import { type Footer, footerEdit, FooterPlace, partsForFooter, takesFooter } from "./footer.ts";

const type = z.string().regex(/^[\w.+-]+\/(?:\*|[\w.+-]+)$/, "Write a type like audio/* or text/x-script")
  .transform((text) => text.toLowerCase());
const name = z.string().min(1).max(255).regex(/^[^/\\]*$/, "Write a name, or *.exe")
  .transform((text) => text.toLowerCase());
const size = z.string().refine((text) => parseSize(text) !== null, "Write a size like 64KiB or 25MiB")
  .transform((text) => parseSize(text)!);
const direction = z.enum(["out", "in", "both"]);

const Drop = z.strictObject({
  types: z.array(type).min(1).optional().describe("Parts of one of these types"),
  names: z.array(name).min(1).optional().describe("Files with one of these names; * stands for anything"),
  larger: size.optional().describe("Parts whose decoded size is more"),
  note: z.string().min(1).max(2000).default("A part of this message was removed on its way: {name} ({type})")
    .describe("What stands in its place; {name} and {type} are filled in"),
}).refine(({ types, names, larger }) => types ?? names ?? larger, "Say which parts: types, names or larger");
const FooterOptions = z.strictObject({
  text: z.string().min(1).max(20_000).describe("For text/plain"),
  html: z.string().max(100_000).optional().describe("For text/html; unset: the text, in a paragraph"),
  direction: direction.default("out").describe("Mail that users of this host send, other mail, or all"),
});
const Options = z.strictObject({
  dropParts: z.array(Drop).default([]).describe("Parts that go"),
  direction: direction.default("in").describe(
    "Whose parts: of mail that comes in, of what users of this host send, or all",
  ),
  footer: FooterOptions.optional().describe("A text at the end of the message's own text"),
  signed: z.enum(["leave", "hold"]).default("leave").describe(
    "What a signature or cipher keeps from being changed: pass it as it is, or keep it for a person",
  ),
}).refine(
  ({ dropParts, footer }) => dropParts.length > 0 || footer !== undefined,
  "Say what to change: dropParts or footer",
);

/**
 * @example
 * ```ts
 * import { rewrite } from "./mod.ts";
 * import { runPhase } from "postern";
 * import { assertEquals } from "@std/assert";
 * const plugin = rewrite({ footer: { text: "Example Ltd", direction: "both" } });
 * const { output } = await runPhase(plugin, "data", { message: "Subject: x\n\nHello\n" });
 * assertEquals(output, "Subject: x\r\n\r\nHello\r\nExample Ltd\r\n");
 * ```
 */
export const rewrite: PluginFactory<z.input<typeof Options>, EdgePhases> = defineMessagePlugin({
  name: "rewrite",
  after: ["spf", "dkim", "arc", "dmarc", "attachments"],
  options: Options,
  create({ dropParts: drops, direction, footer, signed }) {
    const words: Footer | null = footer === undefined
      ? null
      : { text: footer.text, html: footer.html ?? `<p>${escaped(footer.text).replace(/\r?\n/g, "<br>\r\n")}</p>` };

    /** The first rule that speaks of the part. */
    const ruleFor = (part: BodyPart) =>
      part.type.startsWith("multipart/")
        ? undefined
        : drops.find(({ types, names, larger }) =>
          (types === undefined || types.some((type) => fits(part.type, type))) &&
          (names === undefined || part.filenames.some((each) => names.some((name) => isNamed(each, name)))) &&
          (larger === undefined || part.size > larger)
        );

    return {
      async data(ctx, next) {
        const sent = isSent(ctx),
          concerns = (which: "out" | "in" | "both") => which === "both" || (which === "out") === sent;
        const withDrops = drops.length > 0 && concerns(direction);
        const withFooter = words !== null && concerns(footer!.direction);
        if (!withDrops && !withFooter) return next();
        const places = new Map<string, FooterPlace>();
        const parts = await readParts(ctx.message, {
          part: (head) => withFooter ? placeFor(head, places) : undefined,
        });
        const dropped = !withDrops ? [] : parts.flatMap((part) => {
          const rule = ruleFor(part);
          return rule === undefined ? [] : [{ part, note: noteFor(rule.note, part) }];
        });
        const kept: BodyPart[] = [], edits: BodyEdit[] = [];
        for (const part of withFooter ? partsForFooter(parts) : []) {
          if (part.locked === null) edits.push(footerEdit(part, places.get(part.path)!, words!));
          else kept.push(part);
        }
        if (dropped.length + edits.length > 0) {
          const reason = `rewrite: ${
            [...dropped.map(({ part }) => `without ${part.path}`), ...edits.map(() => "footer")].join(", ")
          }`;
          const locked = await dropParts(ctx, dropped, { reason: reason.slice(0, 500), edits });
          kept.push(...locked.map(({ part }) => part));
        }
        if (kept.length > 0 && signed === "hold") {
          ctx.hold(`rewrite: part ${kept[0]!.path} is ${kept[0]!.locked} and cannot be changed`);
        }
        return next();
      },
    };
  },
});

function placeFor(head: PartHead, places: Map<string, FooterPlace>): FooterPlace | undefined {
  if (!takesFooter(head)) return undefined;
  const place = new FooterPlace(head.type === "text/html");
  places.set(head.path, place);
  return place;
}

/** Somebody who has logged in brought it, or a network that may send anywhere. */
function isSent({ peer, recipients }: EdgeContext): boolean {
  return peer !== null && peer.identity !== null || recipients.some((each) => each.get(RELAY) === "network");
}

function noteFor(note: string, { filename, type }: BodyPart): string {
  const shown = (text: string) => text.replace(/[\p{Cc}\p{Cf}]/gu, "?").slice(0, 200);
  return note.replaceAll("{name}", () => shown(filename ?? "unnamed")).replaceAll("{type}", () => shown(type));
}

const fits = (type: string, pattern: string): boolean =>
  pattern.endsWith("/*") ? type.startsWith(pattern.slice(0, -1)) : type === pattern;

/** `*` stands for any characters. Linear: each piece is taken where it stands first. */
function isNamed(name: string, pattern: string): boolean {
  const text = name.toLowerCase(), [first = "", ...rest] = pattern.split("*"), last = rest.pop();
  if (last === undefined) return text === first;
  if (!text.startsWith(first)) return false;
  let at = first.length;
  for (const piece of rest) {
    const found = text.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return text.length - last.length >= at && text.endsWith(last);
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}
