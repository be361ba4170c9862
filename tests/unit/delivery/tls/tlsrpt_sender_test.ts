/** Reports about TLS on their way: mail into a queue, HTTPS, what is tried again, and nothing twice. */
import { assert, assertEquals } from "@std/assert";
import PostalMime from "postal-mime";
import type { ReportedPolicy } from "../../../../core/delivery/tls/policy.ts";
import { type DayCounts, dayOf } from "../../../../core/delivery/tls/tlsrpt.ts";
import { TlsrptCounts } from "../../../../core/delivery/tls/tlsrpt_counts.ts";
import { type Reporter, tlsReportJson } from "../../../../core/delivery/tls/tlsrpt_report.ts";
import { TlsrptSender } from "../../../../core/delivery/tls/tlsrpt_sender.ts";
import { NO_MAIL_PARAMETERS } from "../../../../core/model/envelope.ts";
import { MemoryStore } from "../../../../core/store/memory.ts";
import type { NewMessage, QueueItem } from "../../../../core/store/store.ts";
import { waitFor, within } from "../../../support/wait.ts";
import { Clock } from "./fixture.ts";

const DAY = 86_400_000, HOUR = 3_600_000;
const REPORTER: Reporter = {
  organization: "Company-X",
  domain: "company-x.example",
  contact: "tls@company-x.example",
};
const FROM = { local: "tls", domain: "company-x.example" };

/** A server that reports, its counters in a store, and the rest of the world as one server on loopback. */
class Office implements AsyncDisposable {
  readonly clock = new Clock();
  readonly store = new MemoryStore({ memoryBudget: 1 << 20, now: this.clock.read });
  readonly records = new Map<string, string>();
  readonly counts = new TlsrptCounts({
    dns: { txt: (name) => Promise.resolve([this.records.get(name.replace("_smtp._tls.", ""))!]) },
    counters: this.store.counters,
    now: this.clock.read,
  });
  readonly letters: { readonly message: NewMessage; readonly content: Uint8Array<ArrayBuffer> }[] = [];
  readonly troubles: string[] = [];
  /** Every request, as "host/path", and the reports that were in them. */
  readonly requests: string[] = [];
  readonly posted: unknown[] = [];
  /** Into the store, as the server does it. */
  commit = async (message: NewMessage, content: Uint8Array<ArrayBuffer>): Promise<void> => {
    this.letters.push({ message, content });
    const writer = this.store.receive(message.id);
    await writer.write(content);
    await this.store.commit(message, await writer.finish());
  };
  answer: (host: string) => number | Promise<number> = () => 200;
  readonly #web = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const place = request.headers.get("x-meant-for")!;
    this.requests.push(place);
    assertEquals(request.headers.get("content-type"), "application/tlsrpt+gzip");
    const report = await new Response(request.body!.pipeThrough(new DecompressionStream("gzip"))).json();
    const status = await this.answer(place.split("/")[0]!);
    if (status === 200) this.posted.push(report);
    return new Response(null, { status });
  });

  sender(every = HOUR): TlsrptSender {
    return new TlsrptSender({
      counts: this.counts,
      reporter: REPORTER,
      from: FROM,
      listener: "submission",
      fetch: (url, init) => {
        const headers = new Headers(init.headers);
        headers.set("x-meant-for", url.replace("https://", ""));
        return fetch(`http://127.0.0.1:${this.#web.addr.port}/`, { ...init, headers });
      },
      commit: (message, content) => this.commit(message, content),
      now: this.clock.read,
      trouble: (message) => this.troubles.push(message),
      every,
      timeout: 5000,
    });
  }
  async mailed(domain: string, rua: string): Promise<void> {
    this.records.set(domain, `v=TLSRPTv1; rua=${rua}`);
    const reported: ReportedPolicy = { type: "no-policy-found", domain, text: [], mx: [] };
    await this.counts.count({ reported, failure: null, host: `mx.${domain}`, receivingIp: null, sendingIp: null });
  }
  nextDay(): void {
    this.clock.now = Date.parse(dayOf(this.clock.now)) + DAY + 4 * HOUR;
  }
  async due(): Promise<DayCounts[]> {
    return await Array.fromAsync(this.counts.due());
  }
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#web.shutdown();
    await this.store.close();
  }
}

Deno.test("a report by mail is a message for the queue, and says what was counted", async () => {
  await using office = new Office();
  await office.mailed("company-y.example", "mailto:reports@company-y.example");
  const sender = office.sender();
  await sender.look();
  assertEquals(office.letters, [], "not before the day is over");
  office.nextDay();
  const [counts] = await office.due();
  await sender.look();
  await sender.look();
  const [letter, ...more] = office.letters;
  assertEquals(more, [], "once");
  const [{ message, recipients: [recipient] }] = (await office.store.queue({})).items as [QueueItem];
  assertEquals(message.sender, FROM);
  assertEquals([message.origin.listener, message.origin.identity], ["submission", null]);
  assertEquals(message.parameters, NO_MAIL_PARAMETERS);
  assertEquals(recipient!.address, { local: "reports", domain: "company-y.example" });
  assertEquals([recipient!.state, recipient!.destination], ["ready", "mx:company-y.example"]);
  assertEquals(recipient!.parameters.notify, ["NEVER"]);
  const mail = await PostalMime.parse(letter!.content);
  assertEquals(mail.from?.address, "tls@company-x.example");
  assertEquals(mail.to?.[0]?.address, "reports@company-y.example");
  assert(mail.subject!.startsWith(message.summary.subject));
  const [attachment] = mail.attachments;
  assertEquals(attachment!.mimeType, "application/tlsrpt+gzip");
  const packed = new Blob([attachment!.content as ArrayBuffer]).stream();
  const report = await new Response(packed.pipeThrough(new DecompressionStream("gzip"))).json();
  assertEquals(report, JSON.parse(JSON.stringify(tlsReportJson(counts!, REPORTER))));
  assertEquals(report.policies[0].summary["total-successful-session-count"], 1);
  assertEquals(office.troubles, []);
});

Deno.test("HTTPS is tried again at each look, the mail beside it goes once, and two days later it is over", async () => {
  await using office = new Office();
  await office.mailed("company-y.example", "https://r.company-y.example/v1,mailto:reports@company-y.example");
  office.nextDay();
  office.answer = () => 503;
  await office.sender().look();
  await office.sender().look(); // a server that was started again
  assertEquals([office.requests.length, office.letters.length], [2, 1]);
  assertEquals(office.troubles[0], "the report of 2026-04-01 for company-y.example: status 503");
  office.answer = () => 200;
  const [counts] = await office.due();
  await office.sender().look();
  await office.sender().look();
  assertEquals([office.requests.length, office.letters.length], [3, 1]);
  assertEquals(office.posted, [JSON.parse(JSON.stringify(tlsReportJson(counts!, REPORTER)))]);

  await office.mailed("company-z.example", "https://r.company-z.example/");
  office.answer = () => 500;
  office.nextDay();
  await office.sender().look();
  assertEquals(office.requests.length, 4);
  office.clock.now += 2 * DAY;
  await office.sender().look();
  assertEquals(office.requests.length, 4);
});

Deno.test("a host that fails is asked once a look, and keeps no other report from going", async () => {
  await using office = new Office();
  for (let n = 0; n < 60; n++) await office.mailed(`d${n}.example`, "https://dead.example/v1");
  await office.mailed("company-y.example", "https://alive.example/v1");
  await office.mailed("company-z.example", "mailto:reports@company-z.example");
  office.nextDay();
  office.answer = (host) => host === "dead.example" ? 500 : 200;
  await office.sender().look();
  const dead = office.requests.filter((each) => each === "dead.example/v1").length;
  assert(dead > 0 && dead <= 8, `${dead} requests`);
  assertEquals([office.posted.length, office.letters.length], [1, 1]);
  assertEquals((await office.due()).length, 60);
});

Deno.test("an address in UTF-8 wants a next hop that knows it", async () => {
  await using office = new Office();
  await office.mailed("company-y.example", "mailto:m%C3%BCller@company-y.example");
  office.nextDay();
  await office.sender().look();
  const { parameters } = office.letters[0]!.message;
  assertEquals([parameters.smtputf8, parameters.body], [true, "8BITMIME"]);
});

Deno.test("a queue that takes nothing is asked again; counters that fail are told of", async () => {
  await using office = new Office();
  await office.mailed("company-y.example", "mailto:reports@company-y.example");
  office.nextDay();
  const { commit } = office;
  office.commit = () => Promise.reject(new Error("no space"));
  const sender = office.sender();
  await sender.look();
  assertEquals(office.troubles, ["the report of 2026-04-01 for company-y.example: no space"]);
  office.commit = commit;
  await sender.look();
  assertEquals(office.letters.length, 1);
  const broken = new TlsrptSender({
    counts: {
      due: () => {
        throw new Error("disk");
      },
      sent: () => Promise.resolve(),
      claim: () => Promise.resolve(true),
      release: () => Promise.resolve(),
    },
    reporter: REPORTER,
    from: FROM,
    listener: "submission",
    fetch,
    commit,
    now: office.clock.read,
    trouble: (message) => office.troubles.push(message),
  });
  await broken.look();
  assertEquals(office.troubles.at(-1), "the reports that are due: disk");
});

Deno.test("it looks at the start, by its timer, and no more after stop, which waits for nobody", async () => {
  await using office = new Office();
  const sender = office.sender(10);
  sender.start();
  await office.mailed("company-y.example", "mailto:reports@company-y.example");
  office.nextDay();
  await waitFor("the timer", () => office.letters.length === 1);

  await office.mailed("company-z.example", "https://slow.example/v1");
  const { promise, resolve } = Promise.withResolvers<number>();
  office.answer = () => promise;
  office.nextDay();
  await waitFor("the request", () => office.requests.length === 1);
  await within("the end", sender.stop(), 2000);
  resolve(200);
  assertEquals(office.troubles, []);
  assertEquals((await office.due()).map(({ domain }) => domain), ["company-z.example"], "it comes again");
});
