"""M/M/8 in Ciw (https://ciw.readthedocs.io): prints events, CPU seconds and the mean time in the system.

The same model as in simulator.rs: arrivals at 640/s, eight servers of 10 ms in the mean.
usage: mm8.py CUSTOMERS SEED
"""

import sys
import time

import ciw

customers, seed = int(sys.argv[1]), int(sys.argv[2])
network = ciw.create_network(
    arrival_distributions=[ciw.dists.Exponential(rate=640.0)],
    service_distributions=[ciw.dists.Exponential(rate=100.0)],
    number_of_servers=[8],
)
ciw.seed(seed)
began = time.process_time()
simulation = ciw.Simulation(network)
simulation.simulate_until_max_customers(customers, method="Finish")
seconds = time.process_time() - began
records = simulation.get_all_records()
mean = sum(r.exit_date - r.arrival_date for r in records) / len(records)
# An arrival and a departure each.
print(2 * len(records), seconds, mean)
