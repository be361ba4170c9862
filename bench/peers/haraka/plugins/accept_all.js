"use strict";
// Every recipient is welcome; queue/discard then drops the message. Nothing is kept, nothing is durable.
exports.register = function () {
  this.register_hook("rcpt", "rcpt");
};
exports.rcpt = function (next) {
  next(OK);
};
