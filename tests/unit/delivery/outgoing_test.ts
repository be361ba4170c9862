/** A message in the forms that peers take: from memory and from a file the same, as long as it says, signed last and once. */
import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import fc from "fast-check";
import { type Form, Outgoing, type OutgoingOptions } from "../../../core/delivery/outgoing.ts";
import { applyEditsToBytes, prependField, removeField, replaceField } from "../../../core/model/edits.ts";
import { type BodyType, type HeaderEdits, NO_EDITS } from "../../../core/model/envelope.ts";
import { headerEnd, HeaderSection } from "../../../core/model/headers.ts";
import type { OutboundContent } from "../../../core/net/outbound_content.ts";
import type { SignedContent } from "../../../core/pipeline/mod.ts";
import type { Body } from "../../../core/store/store.ts";
import { latin1, octets } from "../../support/bytes.ts";
import { memoryBody, spooledBody } from "./way_out.ts";

const CAPACITIES: readonly BodyType[] = ["7BIT", "8BITMIME", "BINARYMIME"];

function outgoing(body: Body, more: Partial<OutgoingOptions> & { readonly said?: BodyType } = {}): Outgoing {
  const { said = "7BIT", ...options } = more;
  return new Outgoing({
    body,
    edits: NO_EDITS,
    parameters: { body: said, smtputf8: false },
    signers: [],
    eightBit: "convert",
    ...options,
  });
}
async function read(content: OutboundContent): Promise<string> {
  if (content instanceof Uint8Array) return latin1(content);
  const pieces: string[] = [];
  for await (const chunk of content) pieces.push(latin1(chunk));
  return pieces.join("");
}
async function formOf(made: Outgoing, capacity: BodyType): Promise<Form> {
  const form = await made.form(capacity);
  assert(form !== "impossible", "it can be had");
  return form;
}
const both = (text: string): [string, Body][] => [
  ["memory", memoryBody(octets(text))],
  ["file", spooledBody(octets(text), headerEnd(octets(text), 0) + 4)],
];

const PLAIN = "Subject: x\r\n\r\nhello\r\n";
const EIGHT = "Subject: x\r\n\r\ngr\xc3\xbc\xc3\x9fe\r\n";
const SIGNED = [
  'Content-Type: multipart/signed; boundary="b"; protocol="x/y"; micalg=z',
  "MIME-Version: 1.0",
  "",
  "--b",
  "Content-Type: text/plain; charset=utf-8",
  "Content-Transfer-Encoding: 8bit",
  "",
  "gr\xc3\xbc\xc3\x9fe",
  "--b",
  "Content-Type: x/y",
  "",
  "sig",
  "--b--",
  "",
].join("\r\n");

Deno.test("case 66: what each peer is told and given, whatever the client said it was", async (t) => {
  const table: readonly [text: string, said: BodyType, to: BodyType, memory: string, file: string][] = [
    [PLAIN, "7BIT", "7BIT", "7BIT as it is", "7BIT as it is"],
    [PLAIN, "7BIT", "8BITMIME", "7BIT as it is", "8BITMIME as it is"], // nobody reads a file for that
    [PLAIN, "8BITMIME", "7BIT", "7BIT as it is", "7BIT as it is"],
    [PLAIN, "BINARYMIME", "7BIT", "7BIT as it is", "7BIT as it is"],
    [PLAIN, "BINARYMIME", "8BITMIME", "7BIT as it is", "7BIT as it is"],
    [PLAIN, "BINARYMIME", "BINARYMIME", "BINARYMIME as it is", "BINARYMIME as it is"],
    [EIGHT, "7BIT", "8BITMIME", "8BITMIME as it is", "8BITMIME as it is"],
    [EIGHT, "7BIT", "BINARYMIME", "8BITMIME as it is", "8BITMIME as it is"],
    [EIGHT, "7BIT", "7BIT", "7BIT converted", "7BIT converted"],
    [EIGHT, "8BITMIME", "8BITMIME", "8BITMIME as it is", "8BITMIME as it is"],
    [EIGHT, "8BITMIME", "7BIT", "7BIT converted", "7BIT converted"],
    [SIGNED, "8BITMIME", "7BIT", "impossible", "impossible"],
    [SIGNED, "8BITMIME", "8BITMIME", "8BITMIME as it is", "8BITMIME as it is"],
  ];
  for (const [text, said, capacity, ...expected] of table) {
    for (const [at, [where, body]] of both(text).entries()) {
      await t.step(`${said} to ${capacity} from ${where}`, async () => {
        const form = await outgoing(body, { said }).form(capacity);
        if (form === "impossible") return assertEquals("impossible", expected[at]);
        const content = await read(form.content());
        assertEquals(`${form.facts.body} ${content === text ? "as it is" : "converted"}`, expected[at]);
        if (form.facts.body === "7BIT") assert(/^[\x00-\x7f]*$/.test(content), "and that is true");
        assertEquals(form.facts.size, content.length);
      });
    }
  }
});

Deno.test("SEMANTICS 19: with eightBit bounce nothing is converted, and what fits goes all the same", async () => {
  for (const [, body] of both(EIGHT)) {
    assertEquals(await outgoing(body, { eightBit: "bounce" }).form("7BIT"), "impossible");
    await formOf(outgoing(body, { eightBit: "bounce" }), "8BITMIME");
  }
  for (const [, body] of both(PLAIN)) await formOf(outgoing(body, { eightBit: "bounce", said: "8BITMIME" }), "7BIT");
});

Deno.test("RFC 6531 3.4: UTF-8 in the header counts where the client said SMTPUTF8, raw octets of old programs do not", async () => {
  const text = "Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\nhello\r\n";
  for (const [, body] of both(text)) {
    for (const smtputf8 of [true, false]) {
      const { facts } = await formOf(outgoing(body, { parameters: { body: "8BITMIME", smtputf8 } }), "8BITMIME");
      assertEquals(facts.utf8Header, smtputf8);
    }
  }
  const edits = prependField(NO_EDITS, "X-Name", "Gr\u00fc\u00dfe");
  for (const [, body] of both(PLAIN)) {
    const { facts } = await formOf(outgoing(body, { edits, parameters: { body: "7BIT", smtputf8: true } }), "8BITMIME");
    assertEquals([facts.utf8Header, facts.body], [true, "8BITMIME"], "a field of ours is part of it");
  }
});

// ---- Signers -------------------------------------------------------------------------------------------------------------

Deno.test("SEMANTICS 18: signers are asked once a form, see what goes out, and stand in front of it", async () => {
  for (const [where, body] of both(EIGHT)) {
    const seen: string[] = [];
    const made = outgoing(body, {
      said: "8BITMIME",
      edits: prependField(NO_EDITS, "X-Edit", "yes"),
      signers: [async (content: SignedContent) => {
        seen.push(await new Response(content.stream()).text());
        return `X-Sig: ${seen.length}\r\n`;
      }],
    });
    for (let times = 0; times < 3; times++) {
      const forms = await Promise.all([formOf(made, "8BITMIME"), formOf(made, "7BIT")]);
      for (const [at, form] of forms.entries()) {
        const content = await read(form.content());
        assertMatch(content, /^X-Sig: \d\r\nX-Edit: yes\r\n/);
        assertEquals(form.facts.size, content.length);
        if (at === 1) assertMatch(content, /gr=C3=BC=C3=9Fe/); // converted first, then signed
      }
    }
    assertEquals(seen.length, 2, where);
    assert(seen.some((each) => each.includes("gr=C3=BC")) && seen.every((each) => each.startsWith("X-Edit: yes\r\n")));
  }
});

Deno.test("a signer that fails or writes what is no field: nothing goes out, and the next host may ask again", async () => {
  for (const [, body] of both(PLAIN)) {
    let broken = true;
    const signers = [() => broken ? Promise.reject(new Error("no key")) : Promise.resolve("X-Sig: 1\r\n")];
    const made = outgoing(body, { signers });
    await assertRejects(() => made.form("7BIT"), Error, "no key");
    broken = false;
    assertMatch(await read((await formOf(made, "7BIT")).content()), /^X-Sig: 1\r\nSubject/);
    for (const text of ["", "\r\n", "X-Sig: 1", "X-Sig: 1\r\n\r\nbody", "no field\r\n"]) {
      const odd = outgoing(body, { signers: [() => Promise.resolve(text)] });
      if (text === "") await formOf(odd, "7BIT");
      else await assertRejects(() => odd.form("7BIT"), Error, "whole header fields");
    }
  }
});

Deno.test("the head that signers are shown holds all of the header, however much was put in front of a converted file", async () => {
  const edits: HeaderEdits = { prepend: `${"X-Long: ".padEnd(70, "x")}\r\n`.repeat(300), drop: [] };
  let checked = 0;
  const signers = [(content: SignedContent) => {
    assert(headerEnd(content.head, 0) > 0, "the end of the header is in it");
    checked++;
    return Promise.resolve("X-Sig: 1\r\n");
  }];
  for (const [, body] of both(EIGHT)) {
    const form = await formOf(outgoing(body, { edits, signers }), "7BIT");
    assertEquals((await read(form.content())).length, form.facts.size);
  }
  assertEquals(checked, 2);
});

Deno.test("content that cannot be read: no form, or a stream that breaks, never a shorter message", async () => {
  const body: Body = {
    ...spooledBody(octets(EIGHT)),
    stream: () => new ReadableStream({ pull: (controller) => controller.error(new Error("bad sector")) }),
  };
  await assertRejects(() => outgoing(body).form("7BIT"), Error, "bad sector");
  const { content, facts } = await formOf(outgoing(body), "8BITMIME"); // nobody looks into it
  assertEquals(facts.size, EIGHT.length);
  await assertRejects(() => read(content()), Error, "bad sector");
});

// ---- Whatever it is ------------------------------------------------------------------------------------------------------

const field = fc.tuple(
  fc.constantFrom("Subject", "To", "X-A", "X-B", "Received", "Content-Type"),
  fc.stringMatching(/^[ -~]{0,30}$/),
  fc.boolean(),
).map(([name, value, folded]) => `${name}: ${value}${folded ? "\r\n more" : ""}\r\n`);
const line = fc.oneof(
  fc.stringMatching(/^[ -~]{0,40}$/),
  fc.constantFrom(".", "..", "--b", "gr\xc3\xbc\xc3\x9fe", "\xff\x00", ""),
);
const text = fc.tuple(fc.array(field, { maxLength: 8 }), fc.array(line, { maxLength: 8 })).map(([fields, lines]) =>
  `${fields.join("")}\r\n${lines.map((each) => `${each}\r\n`).join("")}`
);
type Change = readonly [how: "prepend" | "remove" | "replace", name: string, value: string];
const change: fc.Arbitrary<Change> = fc.tuple(
  fc.constantFrom("prepend" as const, "remove" as const, "replace" as const),
  fc.constantFrom("Subject", "X-A", "X-B", "Received", "X-New"),
  fc.string({ maxLength: 100 }),
);

function edited(content: string, changes: readonly Change[]): HeaderEdits {
  const section = new HeaderSection(octets(content));
  return changes.reduce(
    (edits, [how, name, value]) =>
      how === "prepend"
        ? prependField(edits, name, value)
        : how === "remove"
        ? removeField(edits, section, name)
        : replaceField(edits, section, { name, value }),
    NO_EDITS,
  );
}

Deno.test("whatever the message and its edits: memory and file give the same octets, and as many as was said", async () => {
  await fc.assert(
    fc.asyncProperty(
      text,
      fc.array(change, { maxLength: 6 }),
      fc.constantFrom<BodyType>(...CAPACITIES),
      fc.integer({ min: 1, max: 60 }),
      async (content, changes, said, block) => {
        const received = octets(content), edits = edited(content, changes);
        const written = latin1(applyEditsToBytes(received, edits));
        const head = headerEnd(received, 0) < 0 ? received.length : headerEnd(received, 0);
        const bodies = [memoryBody(received), spooledBody(received, Math.max(head, 1), block)];
        const signers = [() => Promise.resolve("X-Sig: 1\r\n")];
        for (const capacity of CAPACITIES) {
          const results: string[] = [];
          for (const body of bodies) {
            const form = await outgoing(body, { said, edits, signers }).form(capacity);
            if (form === "impossible") {
              results.push("impossible");
              continue;
            }
            const first = await read(form.content());
            assertEquals(await read(form.content()), first, "a fresh one each time");
            assertEquals(form.facts.size, first.length);
            assertEquals(first.slice(0, 10), "X-Sig: 1\r\n");
            if (capacity === "BINARYMIME") assertEquals(first.slice(10), written);
            results.push(first);
          }
          assertEquals(results[0], results[1]);
        }
      },
    ),
    { numRuns: 300 },
  );
});
