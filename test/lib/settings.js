// Where the runner (test/run) has put things. A test file is run through it: test/run http:cart
function given(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set: run this file through test/run`);
  return value;
}

export const root = given('SHOP_TEST_ROOT');
export const gatewayProgram = given('SHOP_TEST_GATEWAY');
export const shippedGateway = `${root}/gateway/build/shop-gateway`; // without sanitizers, as it is installed
export const pollerProgram = given('SHOP_TEST_POLLER');
export const pgBinaries = given('SHOP_TEST_PG_BINARIES');

// The shared private cluster, and the prepared database that each test file gets a copy of.
export const sharedCluster = { socket: given('SHOP_TEST_SOCKET'), port: 5432 };
export const templateDatabase = given('SHOP_TEST_TEMPLATE');

// A folder for what a test leaves behind; the runner empties it.
export const scratch = given('SHOP_TEST_SCRATCH');
