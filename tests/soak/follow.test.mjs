// ctest: soak
// ctest: timeout 1800
// Following with 200,000 random changes, in rounds of kills, cuts, silences and restarts of the server, and all else of that test.
process.env.FOLLOW_CHANGES ??= '200000';
process.env.FOLLOW_RATE ??= '3000';
await import('../e2e/follow.test.mjs');
