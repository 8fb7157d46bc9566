// CommonJS, in both builds: where an import finds nothing, no line of the importing module runs that could say so.
exports.found = exports.failure = undefined;
try {
  exports.found = require('@opentelemetry/api');
} catch (failure) {
  exports.failure = failure;
}
