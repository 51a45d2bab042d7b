package headwater;

import java.io.PrintWriter;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

import software.amazon.awssdk.auth.credentials.EnvironmentVariableCredentialsProvider;
import software.amazon.awssdk.awscore.client.builder.AwsClientBuilder;
import software.amazon.awssdk.regions.Region;
import software.amazon.awssdk.services.cloudwatch.CloudWatchAsyncClient;
import software.amazon.awssdk.services.dynamodb.DynamoDbAsyncClient;
import software.amazon.awssdk.services.kinesis.KinesisAsyncClient;
import software.amazon.kinesis.common.ConfigsBuilder;
import software.amazon.kinesis.common.InitialPositionInStream;
import software.amazon.kinesis.common.InitialPositionInStreamExtended;
import software.amazon.kinesis.common.KinesisClientUtil;
import software.amazon.kinesis.coordinator.CoordinatorConfig;
import software.amazon.kinesis.coordinator.Scheduler;
import software.amazon.kinesis.leases.LeaseManagementConfig;
import software.amazon.kinesis.lifecycle.events.InitializationInput;
import software.amazon.kinesis.lifecycle.events.LeaseLostInput;
import software.amazon.kinesis.lifecycle.events.ProcessRecordsInput;
import software.amazon.kinesis.lifecycle.events.ShardEndedInput;
import software.amazon.kinesis.lifecycle.events.ShutdownRequestedInput;
import software.amazon.kinesis.metrics.MetricsConfig;
import software.amazon.kinesis.metrics.MetricsLevel;
import software.amazon.kinesis.processor.RecordProcessorCheckpointer;
import software.amazon.kinesis.processor.ShardRecordProcessor;
import software.amazon.kinesis.processor.SingleStreamTracker;
import software.amazon.kinesis.retrieval.KinesisClientRecord;
import software.amazon.kinesis.retrieval.RetrievalConfig;
import software.amazon.kinesis.retrieval.RetrievalSpecificConfig;
import software.amazon.kinesis.retrieval.fanout.FanOutConfig;
import software.amazon.kinesis.retrieval.polling.PollingConfig;

/**
 * A worker that writes what it processes into a file, a line each: {@code record SHARD SEQUENCE DATA}, {@code ended SHARD},
 * {@code lost SHARD}. It checkpoints after each batch, when the lines are in the file; the end of a shard is in the file when
 * it is checkpointed. SIGTERM ends it in order.
 *
 * Arguments: endpoint, stream, application, worker, "polling" or "fanout", file.
 */
public final class Consumer {
    private Consumer() {
    }

    public static void main(String[] arguments) throws Exception {
        URI endpoint = URI.create(arguments[0]);
        String stream = arguments[1];
        String application = arguments[2];
        String worker = arguments[3];
        boolean fanOut = arguments[4].equals("fanout");
        PrintWriter out = new PrintWriter(Files.newBufferedWriter(Path.of(arguments[5]), StandardCharsets.UTF_8), false);

        KinesisAsyncClient kinesis = KinesisClientUtil.createKinesisAsyncClient(at(KinesisAsyncClient.builder(), endpoint));
        DynamoDbAsyncClient tables = at(DynamoDbAsyncClient.builder(), endpoint).build();
        CloudWatchAsyncClient metrics = at(CloudWatchAsyncClient.builder(), endpoint).build();
        SingleStreamTracker tracker = new SingleStreamTracker(
                stream, InitialPositionInStreamExtended.newInitialPosition(InitialPositionInStream.TRIM_HORIZON));
        ConfigsBuilder configs = new ConfigsBuilder(
                tracker, application, kinesis, tables, metrics, worker, () -> new Writer(out));

        Scheduler scheduler = new Scheduler(
                configs.checkpointConfig(),
                coordinator(configs),
                leases(configs),
                configs.lifecycleConfig(),
                measured(configs),
                configs.processorConfig(),
                retrieval(configs, kinesis, stream, application, fanOut));
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            scheduler.startGracefulShutdown().join();
            out.flush();
        }));
        scheduler.run();
    }

    private static <B extends AwsClientBuilder<B, ?>> B at(B builder, URI endpoint) {
        return builder.endpointOverride(endpoint)
                .region(Region.of(System.getenv("AWS_REGION")))
                .credentialsProvider(EnvironmentVariableCredentialsProvider.create());
    }

    private static CoordinatorConfig coordinator(ConfigsBuilder configs) {
        return configs.coordinatorConfig()
                .clientVersionConfig(CoordinatorConfig.ClientVersionConfig.CLIENT_VERSION_CONFIG_3X)
                .parentShardPollIntervalMillis(200)
                .shardConsumerDispatchPollIntervalMillis(50);
    }

    /** Times of a test: a dead worker is noticed after three seconds, not after ten. */
    private static LeaseManagementConfig leases(ConfigsBuilder configs) {
        LeaseManagementConfig leases = configs.leaseManagementConfig().failoverTimeMillis(3000);
        return leases.shardSyncIntervalMillis(1000)
                .leaseAssignmentIntervalMillis(1000L)
                .leasesRecoveryAuditorExecutionFrequencyMillis(1000)
                .dynamoDbLockBasedLeaderLeaseDurationInMillis(3000)
                .dynamoDbLockBasedLeaderHeartbeatPeriodInMillis(1000);
    }

    private static MetricsConfig measured(ConfigsBuilder configs) {
        return configs.metricsConfig().metricsLevel(MetricsLevel.DETAILED).metricsBufferTimeMillis(1000);
    }

    private static RetrievalConfig retrieval(
            ConfigsBuilder configs, KinesisAsyncClient kinesis, String stream, String application, boolean fanOut) {
        RetrievalSpecificConfig specific = fanOut
                ? new FanOutConfig(kinesis).streamName(stream).applicationName(application)
                : new PollingConfig(stream, kinesis).idleTimeBetweenReadsInMillis(200);
        return configs.retrievalConfig().retrievalSpecificConfig(specific);
    }

    /** One shard's records, into the file. */
    private static final class Writer implements ShardRecordProcessor {
        private final PrintWriter out;
        private String shard;

        Writer(PrintWriter out) {
            this.out = out;
        }

        @Override
        public void initialize(InitializationInput input) {
            shard = input.shardId();
            line("began " + shard + " " + input.extendedSequenceNumber());
        }

        @Override
        public void processRecords(ProcessRecordsInput input) {
            StringBuilder lines = new StringBuilder();
            for (KinesisClientRecord record : input.records()) {
                String data = StandardCharsets.UTF_8.decode(record.data()).toString();
                lines.append("record ").append(shard).append(' ').append(record.sequenceNumber()).append(' ').append(data)
                        .append('\n');
            }
            synchronized (out) {
                out.append(lines);
                out.flush();
            }
            if (!input.records().isEmpty()) {
                checkpoint(input.checkpointer());
            }
        }

        @Override
        public void leaseLost(LeaseLostInput input) {
            line("lost " + shard);
        }

        @Override
        public void shardEnded(ShardEndedInput input) {
            checkpoint(input.checkpointer());
            line("ended " + shard);
        }

        @Override
        public void shutdownRequested(ShutdownRequestedInput input) {
            checkpoint(input.checkpointer());
        }

        private void line(String text) {
            synchronized (out) {
                out.println(text);
                out.flush();
            }
        }

        private void checkpoint(RecordProcessorCheckpointer checkpointer) {
            try {
                checkpointer.checkpoint();
            } catch (Exception failure) {
                line("unsaved " + shard + " " + failure);
            }
        }
    }
}
