"use strict";
// Every recipient is welcome. With NEXT_PORT the message goes into Haraka's own queue and on to that port of loopback;
// without it queue/discard drops it: nothing is kept then, nothing is durable.
exports.register = function () {
  this.register_hook("connect", "connection");
  this.register_hook("rcpt", "rcpt");
  this.register_hook("get_mx", "next_hop");
};
exports.connection = function (next, connection) {
  connection.relaying = process.env.NEXT_PORT !== undefined;
  next();
};
exports.rcpt = function (next) {
  next(OK);
};
exports.next_hop = function (next) {
  next(OK, { priority: 0, exchange: "127.0.0.1", port: Number(process.env.NEXT_PORT) });
};
