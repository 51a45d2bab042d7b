// The AWS SDK for JavaScript v3 against a node, as tests/clients/test_kinesis_js.py runs it.
//
//   node kinesis.mjs STREAM     endpoint, credentials and region come from the environment
//
// Puts, gets and subscribes over HTTP/2 (the SDK's default for Kinesis) and prints what it saw as one line
// of JSON. What it saw is judged by the test.
import {
  CreateStreamCommand,
  DescribeStreamConsumerCommand,
  DescribeStreamSummaryCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
  PutRecordCommand,
  PutRecordsCommand,
  RegisterStreamConsumerCommand,
  SubscribeToShardCommand,
} from "@aws-sdk/client-kinesis";

const [StreamName] = process.argv.slice(2);
const ShardId = "shardId-000000000000";
const text = (data) => Buffer.from(data).toString();

// Every attempt of every call, as it leaves: the protocol of its handler and the SDK's own headers.
const attempts = [];
let toLose = 0;
const kinesis = new KinesisClient({ maxAttempts: 3 });
kinesis.middlewareStack.add(
  (next, context) => async (args) => {
    const { headers } = args.request;
    attempts.push({
      operation: context.commandName,
      invocation: headers["amz-sdk-invocation-id"],
      request: headers["amz-sdk-request"],
    });
    const answer = await next(args);
    if (toLose > 0) {
      // The answer came and is lost on its way: the SDK sends the call again.
      toLose -= 1;
      throw Object.assign(new Error("the answer was lost"), { name: "TimeoutError", $retryable: {} });
    }
    return answer;
  },
  { step: "deserialize", priority: "low", name: "seeAttempts" },
);

const seen = { handler: kinesis.config.requestHandler.constructor.name };
seen.protocol = kinesis.config.requestHandler.metadata?.handlerProtocol;

await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
const { StreamDescriptionSummary: summary } = await kinesis.send(new DescribeStreamSummaryCommand({ StreamName }));
const StreamARN = summary.StreamARN;

const put = await kinesis.send(new PutRecordCommand({ StreamName, PartitionKey: "k", Data: Buffer.from("one") }));
const batch = await kinesis.send(
  new PutRecordsCommand({
    StreamName,
    Records: ["two", "three"].map((data) => ({ PartitionKey: "k", Data: Buffer.from(data) })),
  }),
);
seen.failed = batch.FailedRecordCount;

// A put whose first two answers are lost is sent three times and stored once.
toLose = 2;
const before = attempts.length;
const again = await kinesis.send(new PutRecordCommand({ StreamName, PartitionKey: "k", Data: Buffer.from("four") }));
seen.retries = attempts.slice(before);
seen.attempts = again.$metadata.attempts;

const { ShardIterator } = await kinesis.send(
  new GetShardIteratorCommand({ StreamName, ShardId, ShardIteratorType: "TRIM_HORIZON" }),
);
const page = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
seen.got = page.Records.map((record) => text(record.Data));
seen.sameNumber = page.Records[0].SequenceNumber === put.SequenceNumber;
seen.arrival = page.Records[0].ApproximateArrivalTimestamp.getTime();

const { Consumer } = await kinesis.send(new RegisterStreamConsumerCommand({ StreamARN, ConsumerName: "js" }));
const { ConsumerARN } = Consumer;
const described = await kinesis.send(new DescribeStreamConsumerCommand({ ConsumerARN }));
seen.status = described.ConsumerDescription.ConsumerStatus;

const subscribe = () =>
  kinesis.send(new SubscribeToShardCommand({ ConsumerARN, ShardId, StartingPosition: { Type: "TRIM_HORIZON" } }));
const { EventStream } = await subscribe();
seen.pushed = [];
seen.latencies = [];
let sent = 0;
for await (const { SubscribeToShardEvent: event } of EventStream) {
  for (const record of event.Records) {
    const data = text(record.Data);
    seen.pushed.push(data);
    if (data.startsWith("{")) seen.latencies.push(performance.now() - JSON.parse(data).at);
  }
  seen.continuation = event.ContinuationSequenceNumber;
  if (seen.pushed.length < 4 + sent) continue;
  if (sent === 20) break;
  sent += 1;
  // Sent while the subscription is read.
  const Data = Buffer.from(JSON.stringify({ n: sent, at: performance.now() }));
  await kinesis.send(new PutRecordCommand({ StreamName, PartitionKey: "k", Data }));
}

// Too soon after the first: an ordinary refusal with a name.
seen.refusal = await subscribe().then(
  () => "none",
  (error) => error.name,
);
// Leaving the loop above does not end the subscription's HTTP/2 stream, which would keep this process for minutes.
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit());
