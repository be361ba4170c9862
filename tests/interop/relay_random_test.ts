/**
 * A next hop that fails at random, and kills on both sides: of everything that was accepted each recipient is taken by the
 * next hop as it was sent, or its sender is told. A second copy may come only of a cut connection or a kill (RFC 1047).
 */
import { assert, assertEquals } from "@std/assert";
import { latin1, mail } from "../support/bytes.ts";
import { freePort } from "../support/ports.ts";
import { seedOf } from "../support/random.ts";
import { digestOf, type SinkEntry } from "../support/random_sink.ts";
import { SinkChild } from "../support/sink_child.ts";
import type { Server } from "../support/server.ts";
import { SmtpClient } from "../support/smtp_client.ts";
import { TempFolder } from "../support/temp.ts";
import { waitFor } from "../support/wait.ts";
import { emptyQueue, relaySite } from "./relay_contract.ts";

const message = (id: number) =>
  mail(`From: <box@local.example>\nTo: <r${id}@far.example>\nSubject: ${id}\nMessage-ID: <${id}@local.example>
Date: Mon, 01 Jan 2024 00:00:00 +0000\n\n.\nmessage ${id}\n${"x".repeat(60)}\n`);

/** Hands over the messages `from` to `to`, two recipients each; those that got a 250, whatever happens to the server. */
async function submitAll(
  port: number,
  { from, to }: { readonly from: number; readonly to: number },
): Promise<number[]> {
  const accepted: number[] = [];
  const worker = async (first: number) => {
    try {
      using client = await SmtpClient.ready(port);
      for (let id = first; id < to; id += 4) {
        const rcpt = [`r${id}@far.example`, `s${id}@far.example`];
        const { code } = await client.deliver({ from: "box@local.example", to: rcpt, message: message(id) });
        if (code === 250) accepted.push(id);
      }
    } catch { /* it was killed */ }
  };
  await Promise.all([0, 1, 2, 3].map((index) => worker(from + index)));
  return accepted;
}

/** Recipients of whom the reports in the mailbox say that they failed. */
async function bounced(server: Server): Promise<Set<string>> {
  const all = await server.api.messages();
  const texts = await Promise.all(all.map(async ({ id }) => latin1((await server.api.raw(id))!)));
  return new Set(
    texts.flatMap((text) => [...text.matchAll(/^Final-Recipient: rfc822; ?(\S+)\r\n/gim)].map(([, who]) => who!)),
  );
}

/** Who has it more often than once, beside those copies that were never answered. */
function twice(entries: readonly SinkEntry[]): string[] {
  const taken = entries.filter(({ fate }) => fate === "taken").map(({ recipient }) => recipient);
  return [...new Set(taken.filter((each, index) => taken.indexOf(each) < index))];
}

const SEED = seedOf("POSTERN_RELAY_SEED");

Deno.test(`nothing that was accepted is lost between two that fail and are killed (POSTERN_RELAY_SEED=${SEED})`, async () => {
  await using folder = await TempFolder.make("postern-relay-");
  const record = folder.at("record"), data = folder.at("data"), ports = { sink: freePort(), smtp: freePort() };
  const site = () => relaySite({ port: ports.smtp, data, nextHop: `{ hosts: ["smtp://127.0.0.1:${ports.sink}"] }` });
  let sink = await SinkChild.start({ seed: SEED, record, port: ports.sink });
  let server = await site();
  const accepted: number[] = [];
  try {
    accepted.push(...await submitAll(ports.smtp, { from: 0, to: 60 }));
    await emptyQueue(server, 60_000);
    assertEquals(twice(await sink.entries()), [], "nobody was killed: what was answered with yes is not sent again");
    for (const round of [1, 2, 3]) {
      const from = round * 100, before = (await sink.entries()).length;
      const submitting = submitAll(ports.smtp, { from, to: from + 100 });
      await waitFor("some to have arrived", async () => (await sink.entries()).length > before + 40);
      if (round === 2) {
        await sink.kill();
        sink = await SinkChild.start({ seed: SEED + 1, record, port: ports.sink });
      } else {
        await server.kill();
        await server[Symbol.asyncDispose]();
        server = await site();
      }
      accepted.push(...await submitting);
    }
    await emptyQueue(server, 60_000);
    const entries = await sink.entries(), told = await bounced(server);
    for (const id of accepted) {
      for (const recipient of [`r${id}@far.example`, `s${id}@far.example`]) {
        const of = entries.filter((each) => each.recipient === recipient);
        const here = of.filter(({ fate }) => fate !== "refused");
        assert(here.length > 0 || told.has(recipient), `lost: ${recipient}`);
        for (const { digest } of here) assertEquals(digest, digestOf(message(id)));
        if (told.has(recipient)) assert(of.some(({ fate }) => fate === "refused"), `told for nothing: ${recipient}`);
      }
    }
    assert(accepted.length > 100, `only ${accepted.length} were accepted`);
    // At each of three kills: two recipients each on 20 connections, one message under way and one not yet written down
    const again = twice(entries).length;
    assert(again <= 3 * 2 * 20 * 2, `${again} recipients have it twice`);
  } finally {
    await server[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
  }
});
