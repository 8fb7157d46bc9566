// Runs one case of one suite: node case.mjs <suite> <case> [--quick]. The answer goes to the parent, or to the terminal.
const [suiteName, caseName, mode] = process.argv.slice(2);

const { cases } = await import(`./suites/${suiteName}.mjs`);
const scaled = (size) => (mode === '--quick' ? Math.ceil(size / 20) : size);
const answer = await cases[caseName]({ scaled });
const results = typeof answer === 'number' ? { [caseName]: answer } : answer;

if (process.send) process.send(results, () => process.exit());
else console.log(results);
