// CommonJS, in both builds: where an import finds nothing, no line of the importing module runs that could say so.
exports.found = exports.failure = undefined;
try {
  exports.found = require('prom-client');
} catch (failure) {
  exports.failure = failure;
}
