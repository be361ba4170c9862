/**
 * Takes parts out of a message, a note in the place of each, by the verbs of the context. Non-job: which parts.
 */
import type { EdgeContext } from "../../core/pipeline/mod.ts";
import { type BodyEdit, type BodyPart, editedBody, noteInPlaceOf, outermost, quotedPrintable } from "./body_edits.ts";

/** A part that goes, and what is said in its place. */
export interface Dropped {
  readonly part: BodyPart;
  readonly note: string;
}

/** Drops them. Parts that are locked are not touched: those are returned. `edits`: what else is to change. */
export async function dropParts(
  ctx: EdgeContext,
  dropped: readonly Dropped[],
  { reason, edits = [] }: { readonly reason: string; readonly edits?: readonly BodyEdit[] },
): Promise<Dropped[]> {
  const locked = dropped.filter(({ part }) => part.locked !== null);
  const free = outermost(dropped.filter(({ part }) => part.locked === null).map((each) => ({ ...each, ...each.part })));
  const whole = free.find(({ path }) => path === "1");
  if (whole !== undefined) {
    ctx.replaceHeader("Content-Type", "text/plain; charset=utf-8");
    ctx.replaceHeader("Content-Transfer-Encoding", "quoted-printable");
    for (const name of ["Content-Disposition", "Content-ID", "Content-Description", "Content-MD5"]) {
      if (ctx.message.header(name) !== undefined) ctx.removeHeader(name);
    }
    if (ctx.message.header("MIME-Version") === undefined) ctx.prependHeader("MIME-Version", "1.0");
    await ctx.rewrite(new TextEncoder().encode(`${quotedPrintable(whole.note)}\r\n`), reason);
  } else if (free.length + edits.length > 0) {
    const notes = free.map((each) => noteInPlaceOf(each, each.note));
    const others = edits.filter(({ start }) => !free.some((each) => each.start <= start && start < each.bodyEnd));
    await ctx.rewrite(editedBody(ctx.message, [...notes, ...others]), reason);
  }
  return locked;
}
