/**
 * /api/v1/messages: the messages of the dev inbox, their raw octets, their HTML for a closed frame, their parts.
 * What a message holds is its sender's word: it leaves here only under a policy that runs and loads nothing.
 */
import { Hono } from "hono";
import { formatAddress } from "../../model/address.ts";
import type { InboxMessage } from "../../store/store.ts";
import { frameDocument } from "./mail_html.ts";
import type { MailPart } from "./mime.ts";
import type { AdminEnv, AdminOptions } from "../options.ts";
import { beforeOf, jsonBody, limitOf, readCopyId, textOf } from "../parameters.ts";
import { Problem } from "../problem.ts";
import { may } from "../access/scope.ts";
import { lacking } from "../guard.ts";
import { finalCopy } from "../../queue/final_copy.ts";
import type { MailReader, Opened } from "./reader.ts";
import { release } from "./release.ts";
import { plural } from "../ui/format.ts";

/** Types that a browser may be told; all others are octets. Every part is a download all the same. */
const SAFE_TYPE =
  /^(?:image\/(?:png|jpeg|gif|webp|avif|bmp)|application\/(?:pdf|zip|gzip|json)|text\/(?:plain|csv|calendar)|audio\/(?:mpeg|ogg|wav)|video\/(?:mp4|webm))$/;
/** Controls, and what turns the direction of text: a name must not look like another one. */
const UNFIT = /[\p{Cc}\p{Cf}\u2028\u2029\\/:*?"<>|]+/gu;

export function messages(
  { store, release: releasing = null }: Pick<AdminOptions, "store" | "release">,
  reader: MailReader,
): Hono<AdminEnv> {
  const app = new Hono<AdminEnv>();
  const opened = async (text: string): Promise<Opened> => {
    const id = readCopyId(text);
    const found = id === null ? null : await reader.open(id);
    if (found === null) throw unknown(text);
    return found;
  };

  app.get("/", async (c) => {
    const query = c.req.query(), whole = may(c.get("caller"), "messages");
    if (!whole && query["q"]) throw lacking("messages"); // the answer would tell of subjects
    const page = await store.inboxes.list({
      ...optional("inbox", textOf("inbox", query["inbox"], 320)),
      ...optional("q", textOf("q", query["q"], 200)),
      ...optional("before", beforeOf(query["before"])),
      limit: limitOf(query["limit"], { default: 50, max: 500 }),
    });
    return c.json({ total: page.total, messages: page.messages.map((each) => entryJson(each, whole)) });
  });

  app.delete("/", async (c) => {
    const inbox = textOf("inbox", c.req.query("inbox"), 320);
    return c.json({ removed: await store.inboxes.remove(optional("inbox", inbox)) });
  });

  app.get("/:id", async (c) => c.json(openedJson(await opened(c.req.param("id")))));

  app.patch("/:id", async (c) => {
    const body = await jsonBody(c.req.raw) as { read?: unknown } | null;
    if (typeof body?.read !== "boolean") throw new Problem(400, 'The body is {"read": true} or {"read": false}.');
    const id = readCopyId(c.req.param("id"));
    if (id === null || !await store.inboxes.markRead(id, body.read)) throw unknown(c.req.param("id"));
    return c.json({ id, read: body.read });
  });

  app.delete("/:id", async (c) => {
    const id = readCopyId(c.req.param("id"));
    if (id === null || await store.inboxes.remove({ id }) === 0) throw unknown(c.req.param("id"));
    return c.json({ removed: 1 });
  });

  app.post("/:id/release", async (c) => {
    const { to } = (await jsonBody(c.req.raw) ?? {}) as { to?: unknown };
    const sent = await release({ store, releasing }, { id: c.req.param("id"), to });
    c.set("subject", `${c.req.param("id")} to ${sent.to}`);
    return c.json(sent);
  });

  app.get("/:id/raw", async (c) => {
    const id = readCopyId(c.req.param("id"));
    const found = id === null ? null : await store.inboxes.get(id);
    const stream = found === null ? null : await finalCopy(store, found.message);
    if (stream === null) throw unknown(c.req.param("id"));
    if (c.req.raw.method === "HEAD") await stream.cancel();
    return new Response(c.req.raw.method === "HEAD" ? null : stream, {
      headers: { "Content-Type": "message/rfc822", "Content-Disposition": disposition(`${id}.eml`) },
    });
  });

  app.get("/:id/html", async (c) => {
    const { content } = await opened(c.req.param("id"));
    if (content.mail === null) throw new Problem(404, `The message is shown as source only: ${content.fault}.`);
    if (content.mail.frame === null) throw new Problem(404, "The message has no HTML.");
    const remote = c.req.query("remote") === "1";
    return new Response(frameDocument(content.mail.frame, { remote }), {
      headers: { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": framePolicy(remote) },
    });
  });

  app.get("/:id/parts/:n", async (c) => {
    const { content } = await opened(c.req.param("id"));
    if (content.mail === null) throw new Problem(404, `The message is shown as source only: ${content.fault}.`);
    const part = content.mail.parts.find((each) => String(each.n) === c.req.param("n"));
    if (part === undefined) throw new Problem(404, `The message has ${plural(content.mail.parts.length, "part")}.`);
    return new Response(part.content, {
      headers: {
        "Content-Type": SAFE_TYPE.test(part.type) ? withCharset(part.type) : "application/octet-stream",
        "Content-Disposition": disposition(partName(part)),
      },
    });
  });
  return app;
}

/**
 * The policy of a message's HTML: no scripts, no forms, nothing from elsewhere but the images that the reader asked for.
 * A link may open a page of its own, because following links is what many test mails are for.
 */
function framePolicy(remote: boolean): string {
  return "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; " +
    `img-src data:${remote ? " http: https:" : ""}; form-action 'none'; base-uri 'none'; frame-ancestors 'self'`;
}

function unknown(id: string): Problem {
  return new Problem(404, `No message has the id ${JSON.stringify(id.slice(0, 64))}.`);
}

/** A property that is left out when it has no value. */
export function optional<K extends string, T>(name: K, value: T | undefined): { [P in K]?: T } {
  return value === undefined ? {} : { [name]: value } as { [P in K]: T };
}

// ---- JSON ------------------------------------------------------------------------------------------------------------

/** A subject is what a mail says: without the right to that it is null. */
function entryJson(entry: InboxMessage, whole = true): Record<string, unknown> {
  const { id, inbox, from, to, size, receivedAt, read } = entry, subject = whole ? entry.subject : null;
  return { id, inbox, from, to, subject, size, receivedAt: new Date(receivedAt).toISOString(), read };
}

function openedJson({ entry, message, content }: Opened): Record<string, unknown> {
  const mail = content.mail;
  return {
    ...entryJson(entry),
    envelope: {
      from: formatAddress(message.sender),
      ip: message.origin.ip,
      helo: message.origin.helo,
      identity: message.origin.identity,
      protocol: message.origin.protocol,
    },
    headers: mail?.headers ?? [],
    text: mail?.text ?? null,
    html: mail?.html ?? null,
    parts: (mail?.parts ?? []).map(({ n, type, name, disposition, contentId, size }) => ({
      n,
      type,
      name,
      disposition,
      contentId,
      size,
    })),
    complete: mail !== null && mail.omitted === 0 && mail.headerCount === mail.headers.length,
    fault: content.fault,
  };
}

// ---- Names of files --------------------------------------------------------------------------------------------------

const ENDINGS: Readonly<Record<string, string>> = {
  "text/plain": "txt",
  "text/html": "html",
  "message/rfc822": "eml",
  "application/pdf": "pdf",
  "image/png": "png",
  "image/jpeg": "jpg",
  "image/gif": "gif",
};

/** A name to save a part under, whatever its sender called it. */
export function partName(part: Pick<MailPart, "n" | "name" | "type">): string {
  const name = (part.name ?? "").slice(0, 512).replace(UNFIT, " ").trim().replace(/^[\s.]+/, "").slice(0, 120).trim();
  return name !== "" ? name : `part-${part.n}.${ENDINGS[part.type] ?? "bin"}`;
}

/** Content-Disposition with the name in ASCII and in UTF-8 (RFC 6266 4.3, RFC 8187 3.2). */
export function disposition(name: string): string {
  const ascii = name.replace(/[^\x20-\x7e]|["\\%]/g, "_");
  const wide = encodeURIComponent(name.toWellFormed()).replace(
    /['()*!]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
  return `attachment; filename="${ascii}"; filename*=UTF-8''${wide}`;
}

function withCharset(type: string): string {
  return type.startsWith("text/") ? `${type}; charset=utf-8` : type;
}
