// CommonJS, in both builds, because it knows its own folder in both.
exports.PAGE_DIRECTORY = __dirname;
