/**
 * Mail by the next hops that an operator names: a smart host that demands TLS and a login, hosts that fail over, what
 * becomes of a password that is wrong. The whole server, before another one of ours and hosts of the engine. Non-job: other
 * servers as smart hosts (relay_postfix_test.ts).
 */
import { assertEquals, assertMatch } from "@std/assert";
import { defer } from "../../core/model/reply.ts";
import { programOf, testUnless } from "../support/debian.ts";
import { MailHost } from "../support/mail_host.ts";
import { HandmadeServer } from "../support/mail_sink.ts";
import { NAME_SERVERS } from "../support/name_servers.ts";
import { freePort } from "../support/ports.ts";
import { PASSWORD, SubmissionSite, USER } from "../support/submission_site.ts";
import { Authority } from "../support/tls.ts";
import { waitFor } from "../support/wait.ts";
import { World } from "../support/world.ts";

const MISSING = [...NAME_SERVERS, "openssl" as const].filter((each) => programOf(each) === null).join(", ") || null;
const LOGIN = { user: "postern", password: "a word that only two know" };

testUnless(MISSING, "Next hops: TLS, logins, and hosts that fail over", async (t) => {
  await using world = await World.make();
  await using authority = await Authority.make();
  const certified = async (name: string) => ({ pair: await authority.issue({ names: [`${name}.hosts.example`] }) });
  await using smart = await MailHost.open({ ...world.place(1), ...await certified("smart"), login: LOGIN });
  await using implicit = await MailHost.open({
    ...world.place(2),
    ...await certified("implicit"),
    login: LOGIN,
    implicitTls: true,
  });
  await using clear = await MailHost.open({ ...world.place(3), login: LOGIN });
  await using misnamed = await MailHost.open({ ...world.place(4), ...await certified("another"), login: LOGIN });
  await using second = await MailHost.open({ ...world.place(5), ...await certified("second"), login: LOGIN });
  await using open = await MailHost.open(world.place(6));
  await using busy = await HandmadeServer.open(
    (peer) => void peer.socket.end("421 4.3.2 too busy\r\n"),
    world.place(7),
  );
  await using tired = await MailHost.open({
    ...world.place(8),
    ...await certified("tired"),
    login: LOGIN,
    answer: ({ type }) => type === "auth" ? defer("4.7.0", "Nobody knows now", { code: 454 }) : undefined,
  });
  await using postern = await SubmissionSite.start({ certificate: { names: ["postern.hosts.example"] } });
  const addresses = ["smart", "implicit", "clear", "misnamed", "second", "open", "busy", "tired"]
    .map((name, index) => `${name} A ${world.ip(index + 1)}`);
  await using _names = await world.nameServers({
    "hosts.example": { records: [...addresses, "dead A 127.0.0.1", "postern A 127.0.0.1"].join("\n") },
  });
  const ca = await authority.folder.file("both.pem", `${authority.ca}${postern.authority.ca}`);
  const auth = `auth: ${JSON.stringify(LOGIN)}`, wrong = `auth: ${JSON.stringify({ ...LOGIN, password: "guess" })}`;
  const at = (name: string, scheme = "smtp") => `"${scheme}://${name}.hosts.example:${world.port}"`;
  const dead = `"smtp://dead.hosts.example:${freePort()}"`;
  const hops: Readonly<Record<string, string>> = {
    smart: `{ hosts: [${at("smart")}], ${auth} }`,
    implicit: `{ hosts: [${at("implicit", "smtps")}], ${auth} }`,
    clear: `{ hosts: [${at("clear")}], ${auth} }`,
    misnamed: `{ hosts: [${at("misnamed")}], ${auth} }`,
    wrong: `{ hosts: [${at("second")}, ${at("smart")}], ${wrong} }`,
    tired: `{ hosts: [${at("tired")}, ${at("smart")}], ${auth} }`,
    failover: `{ hosts: [${dead}, ${at("busy")}, ${at("open")}] }`,
    postern:
      `{ hosts: ["smtp://postern.hosts.example:${postern.ports.starttls}"], auth: { user: ${USER}, password: ${PASSWORD} } }`,
    gone: `{ hosts: ["smtp://nowhere.hosts.example:${world.port}"] }`,
  };
  const routes = Object.keys(hops).map((name) => `{ domain: ${name}.test, to: remote, via: ${name} }`);
  await using site = await world.start({
    rest: `nextHops:\n${Object.entries(hops).map(([name, hop]) => `  ${name}: ${hop}\n`).join("")}`,
    // Nobody else hears what is said to addresses of loopback; the rule stands for hosts that are farther away
    delivery: `  routes: [${routes.join(", ")}]
  tls: { ca: ${
      JSON.stringify(ca)
    }, rules: { "*.hosts.example": secure, open.hosts.example: may, busy.hosts.example: may } }`,
  });
  const outcome = async (name: string, from = "me@home.example") => {
    const { event, status, reply, tls } = await site.first(await site.send({ from, to: [`you@${name}.test`] }));
    return event === "delivered" ? `delivered ${tls}` : `${event} ${status} ${reply}`;
  };

  await t.step("a smart host that demands STARTTLS and a login", async () => {
    assertEquals(await outcome("smart"), "delivered TLSv1.3 verified");
    const [{ tls, identity, recipients } = {} as never] = smart.taken;
    assertEquals([tls, identity, recipients[0]!.address], ["TLSv1.3", LOGIN.user, "you@smart.test"]);
  });
  await t.step("one that demands TLS at once", async () => {
    assertEquals(await outcome("implicit"), "delivered TLSv1.3 verified");
    assertEquals(implicit.taken[0]!.identity, LOGIN.user);
  });
  await t.step("another server of ours, by SCRAM", async () => {
    assertEquals(await outcome("postern", USER), "delivered TLSv1.3 verified");
    await waitFor("the login", () => postern.logins("SCRAM-SHA-256") === 1);
  });
  await t.step("a password is said to nobody who has no TLS, or another name", async () => {
    assertMatch(await outcome("clear"), /^deferred 4\.7\.4 .*does not offer STARTTLS$/);
    assertMatch(
      await outcome("misnamed"),
      /^deferred 4\.7\.5 .*is not for hosts\.example|^deferred 4\.7\.5 .*is not for/,
    );
    assertEquals([...clear.asked, ...misnamed.asked].filter((each) => each === "auth"), []);
  });
  await t.step("a wrong password defers, and is not tried at the next host", async () => {
    const before = smart.connections;
    assertMatch(await outcome("wrong"), /^deferred 4\.7\.8 .*535 5\.7\.8/);
    assertEquals([second.asked.filter((each) => each === "auth").length, smart.connections], [1, before]);
    assertEquals(second.taken, []);
  });
  await t.step("a host that cannot tell whether it is right says nothing of the next one", async () => {
    assertEquals(await outcome("tired"), "delivered TLSv1.3 verified");
    assertEquals([tired.asked.filter((each) => each === "auth").length, smart.of("you@tired.test").length], [1, 1]);
  });
  await t.step("the first host is dead, the second one busy: the third one takes it", async () => {
    assertEquals(await outcome("failover"), "delivered null");
    assertEquals([busy.connections, open.taken.length], [1, 1]);
  });
  await t.step("a next hop whose name nobody knows: the mail waits, for the operator named it", async () => {
    assertMatch(await outcome("gone"), /^deferred 4\.4\.4 .*nowhere\.hosts\.example/);
  });
});
