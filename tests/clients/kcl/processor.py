"""The record processor of test_kcl.py's Python application: writes what it processes into the file that PROCESSED names.

Each process is one lease of the daemon's, so the file's name gets the process id.
"""

import os

from amazon_kclpy import kcl
from amazon_kclpy.v3 import processor


class Writer(processor.RecordProcessorBase):
    def initialize(self, initialize_input):
        self.shard = initialize_input.shard_id
        self.out = open(f"{os.environ['PROCESSED']}.{os.getpid()}", "a")
        self.out.write(f"began {self.shard}\n")
        self.out.flush()

    def process_records(self, process_records_input):
        for record in process_records_input.records:
            data = record.binary_data.decode()
            self.out.write(f"record {self.shard} {record.sequence_number} {record.sub_sequence_number} {data}\n")
        self.out.flush()
        process_records_input.checkpointer.checkpoint()

    def lease_lost(self, lease_lost_input):
        self.out.write(f"lost {self.shard}\n")
        self.out.flush()

    def shard_ended(self, shard_ended_input):
        shard_ended_input.checkpointer.checkpoint()
        self.out.write(f"ended {self.shard}\n")
        self.out.flush()

    def shutdown_requested(self, shutdown_requested_input):
        shutdown_requested_input.checkpointer.checkpoint()


if __name__ == "__main__":
    kcl.KCLProcess(Writer()).run()
