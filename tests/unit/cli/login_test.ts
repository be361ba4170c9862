/** AUTH as `postern send` speaks it, joined to our own mechanisms and to servers that cheat. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { DialogueError } from "../../../cli/smtp/connection.ts";
import { type Login, logIn } from "../../../cli/smtp/login.ts";
import type { Channel } from "../../../core/smtp/sasl/client/mod.ts";
import { MECHANISMS, type SaslConnection } from "../../../core/smtp/sasl/mod.ts";
import { deriveScramKeys, formatScramKeys } from "../../../core/smtp/sasl/scram_keys.ts";

const SECRET = "correct horse battery";
const ALICE: Login = { user: "alice", secret: SECRET };
const BINDING = new Map([["tls-server-end-point", new Uint8Array(32).fill(7)]]);
const random = (length: number) => crypto.getRandomValues(new Uint8Array(length));

function channel(more: Partial<Channel> = {}): Channel {
  const server = { host: "mx.example.org", port: 587 };
  return { confidential: true, bindings: new Map(), certificate: false, server, random, ...more };
}

interface Wire {
  readonly lines: string[];
  readonly shown: string[];
  say(line: string, shown?: string): Promise<{ code: number; lines: string[] }>;
}

/** Answers from a list, one for each line. */
function scripted(...answers: readonly string[]): Wire {
  const lines: string[] = [], shown: string[] = [];
  let next = 0;
  return {
    lines,
    shown,
    say: (line, mask = line) => {
      lines.push(line);
      shown.push(mask);
      const answer = answers[next++] ?? "503 5.5.1 no more";
      return Promise.resolve({ code: Number(answer.slice(0, 3)), lines: [answer.slice(4)] });
    },
  };
}

/** A server with our own mechanism behind it. */
async function ours(bindings: ReadonlyMap<string, Uint8Array>, bindingOffered: boolean): Promise<Wire> {
  const salt = random(16);
  const stored = formatScramKeys(await deriveScramKeys(SECRET, { salt, iterations: 4096 }));
  const lines: string[] = [], shown: string[] = [];
  let turn = Promise.withResolvers<string>(), heard = Promise.withResolvers<Uint8Array>();
  const connection = {
    ...{ hostname: "mx.example.org", certificate: null, certificateNames: [], bindingOffered, random },
    bindings: () => bindings,
    passwords: { matches: (password: string) => Promise.resolve(password === SECRET) },
  } as unknown as SaslConnection;
  const run = async (name: string, initial: string | undefined) => {
    const peer = {
      challenge: (octets: Uint8Array) => {
        heard = Promise.withResolvers();
        turn.resolve(`334 ${octets.toBase64()}`);
        return heard.promise;
      },
    };
    try {
      const first = initial === undefined ? null : Uint8Array.fromBase64(initial === "=" ? "" : initial);
      const claim = await MECHANISMS.get(name)!.claim(first, peer, connection);
      const ok = claim.user === "alice" && await claim.verify(stored);
      await claim.conclude?.(ok);
      turn.resolve(ok ? "235 2.7.0 welcome" : "535 5.7.8 no");
    } catch (error) {
      turn.resolve(`501 5.5.2 ${(error as Error).message}`);
    }
  };
  return {
    lines,
    shown,
    async say(line, mask = line) {
      lines.push(line);
      shown.push(mask);
      turn = Promise.withResolvers();
      const [verb, name, initial] = line.split(" ");
      if (verb === "AUTH") run(name!, initial);
      else heard.resolve(Uint8Array.fromBase64(line));
      const answer = await turn.promise;
      return { code: Number(answer.slice(0, 3)), lines: [answer.slice(4)] };
    },
  };
}

Deno.test("the best of what is offered, and nothing of it in the trace", async () => {
  const table: readonly [offered: string[], more: Partial<Channel>, name: string][] = [
    [["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"], { bindings: BINDING }, "SCRAM-SHA-256-PLUS"],
    [["PLAIN", "SCRAM-SHA-256"], { confidential: false }, "SCRAM-SHA-256"],
    [["LOGIN", "PLAIN"], {}, "PLAIN"],
    [["LOGIN"], {}, "LOGIN"],
  ];
  for (const [offered, more, name] of table) {
    const wire = await ours(BINDING, offered.includes("SCRAM-SHA-256-PLUS"));
    const said = await logIn(wire.say, ALICE, { offered, channel: channel(more) });
    assertEquals([wire.lines[0]!.split(" ")[1], said.code], [name, 235]);
    assert(wire.shown.every((line) => [`AUTH ${name}`, `AUTH ${name} ***`, "***"].includes(line)), wire.shown.join());
    const secrets = ["alice", SECRET, btoa(SECRET), btoa(`\0alice\0${SECRET}`)];
    for (const each of secrets) assert(!wire.shown.join("\n").includes(each));
  }
});

Deno.test("a wrong password is the server's refusal, by every mechanism", async () => {
  for (const mechanism of ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "PLAIN", "LOGIN"]) {
    const wire = await ours(BINDING, false);
    const login = { ...ALICE, secret: "wrong", mechanism };
    const said = await logIn(wire.say, login, { offered: [], channel: channel({ bindings: BINDING }) });
    assertEquals([mechanism, said.code], [mechanism, 535]);
  }
});

Deno.test("a password is not shown in clear unless the mechanism was named", async () => {
  const open = channel({ confidential: false });
  const wire = await ours(new Map(), false);
  const error = await assertRejects(
    () => logIn(wire.say, ALICE, { offered: ["PLAIN", "LOGIN"], channel: open }),
    DialogueError,
    "none of which will do; without TLS a password is shown only by the mechanism that --mechanism names",
  );
  assert(!error.message.includes(SECRET));
  assertEquals(wire.lines, []);
  const named = { ...ALICE, mechanism: "PLAIN" };
  assertEquals((await logIn(wire.say, named, { offered: ["PLAIN"], channel: open })).code, 235);
});

Deno.test("naming SCRAM without -PLUS where -PLUS is offered claims no tampering", async () => {
  const wire = await ours(BINDING, true);
  const said = await logIn(wire.say, { ...ALICE, mechanism: "SCRAM-SHA-256" }, {
    offered: ["SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"],
    channel: channel({ bindings: BINDING }),
  });
  assertEquals(said.code, 235);
  assertEquals(atob(wire.lines[0]!.split(" ")[2]!).slice(0, 3), "n,,");
});

Deno.test("who takes -PLUS out of the offer is found out by the server (RFC 5802 6)", async () => {
  const wire = await ours(BINDING, true);
  const said = await logIn(wire.say, ALICE, { offered: ["SCRAM-SHA-256"], channel: channel({ bindings: BINDING }) });
  assertEquals(said.code, 501);
});

Deno.test("another channel, another binding: somebody in between cannot pass SCRAM-SHA-256-PLUS on", async () => {
  const wire = await ours(new Map([["tls-server-end-point", new Uint8Array(32).fill(8)]]), true);
  const said = await logIn(wire.say, ALICE, {
    offered: ["SCRAM-SHA-256-PLUS"],
    channel: channel({ bindings: BINDING }),
  });
  assertEquals(said.code, 535);
});

Deno.test("case 42: nonces, iterations and proofs of a hostile server are answered with a cancel", async () => {
  const first = (text: string) => `334 ${btoa(text)}`;
  const table: readonly [answers: string[], why: string][] = [
    [[first("r=not-ours,s=c2FsdA==,i=4096"), "501 cancelled"], "nonce"],
    [[first("r=x,s=c2FsdA==,i=1"), "501 cancelled"], ""],
    [["334 ???", "501 cancelled"], "The challenge is not base64"],
    [["235 2.7.0 come in"], "The server said yes without proving"],
  ];
  for (const [answers, why] of table) {
    const wire = scripted(...answers);
    const login = () => logIn(wire.say, ALICE, { offered: ["SCRAM-SHA-256"], channel: channel() });
    await assertRejects(login, DialogueError, why);
    if (answers.length > 1) assertEquals(wire.lines.at(-1), "*");
  }
  for (const iterations of [1, 1_000_000_000]) {
    const wire = scripted();
    const say: Wire["say"] = (line, shown) => {
      wire.say(line, shown);
      if (!line.startsWith("AUTH")) return Promise.resolve({ code: 501, lines: ["5.7.0 cancelled"] });
      const nonce = /r=([^,]+)/.exec(atob(line.split(" ")[2]!))![1];
      return Promise.resolve({ code: 334, lines: [btoa(`r=${nonce}more,s=c2FsdA==,i=${iterations}`)] });
    };
    const login = () => logIn(say, ALICE, { offered: ["SCRAM-SHA-256"], channel: channel() });
    await assertRejects(login, DialogueError, "iterations");
    assertEquals(wire.lines.at(-1), "*");
  }
});

Deno.test("a server that never stops asking is left", async () => {
  const wire = scripted(...new Array(50).fill("334 "), "501 no");
  const login = () => logIn(wire.say, { ...ALICE, mechanism: "LOGIN" }, { offered: [], channel: channel() });
  await assertRejects(login, DialogueError);
  assert(wire.lines.length < 12);
  assertEquals(wire.lines.at(-1), "*");
});

Deno.test("tokens go by the mechanisms that are named; a token too long for AUTH goes behind it", async () => {
  for (const mechanism of ["XOAUTH2", "OAUTHBEARER"]) {
    const short = scripted("235 2.7.0 ok");
    assertEquals(
      (await logIn(short.say, { user: "a@b.c", secret: "tok", mechanism }, { offered: [], channel: channel() })).code,
      235,
    );
    assert(atob(short.lines[0]!.split(" ")[2]!).includes("auth=Bearer tok\x01"));
    const long = scripted("334 ", "235 2.7.0 ok");
    const secret = "t".repeat(12_000);
    assertEquals(
      (await logIn(long.say, { user: "a@b.c", secret, mechanism }, { offered: [], channel: channel() })).code,
      235,
    );
    assertEquals([long.lines[0], long.shown], [`AUTH ${mechanism}`, [`AUTH ${mechanism}`, "***"]]);
  }
});

Deno.test("EXTERNAL says whom to act for, or nothing", async () => {
  for (const [user, initial] of [["me@example.org", btoa("me@example.org")], ["", "="]]) {
    const wire = scripted("235 2.7.0 ok");
    const login = { user: user!, secret: "", mechanism: "EXTERNAL" };
    assertEquals((await logIn(wire.say, login, { offered: [], channel: channel() })).code, 235);
    assertEquals(wire.lines, [`AUTH EXTERNAL ${initial}`]);
  }
});
