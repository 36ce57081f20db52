#pragma once

#include <memory>
#include <stop_token>
#include <vector>

#include "event/contracts.h"
#include "log/event_log.h"
#include "source/mysql_source.h"
#include "stream/job.h"
#include "warehouse/warehouse.h"

namespace millrace {

/// Return the job `orders`: tells what changed of the orders of those sources whose configuration says how
/// they become events. All arguments must outlive it; `contracts` may be null. After `stop` it waits for the
/// log no longer and does nothing more.
std::unique_ptr<Job> make_order_job(EventLog& log, Warehouse& warehouse,
                                    const std::vector<MysqlSource>& sources, const Contracts* contracts,
                                    std::stop_token stop);

}  // namespace millrace
