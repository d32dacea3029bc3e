// SPDX-License-Identifier: Apache-2.0
#include "spate/lab/components.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "spate/base/files.h"

namespace spate::lab {
namespace {

class ProcessComponents final : public Components {
 public:
  ProcessComponents(LiveLoop& loop, Supervisor& supervisor, std::filesystem::path program)
      : loop_(loop), supervisor_(supervisor), program_(std::move(program)) {}

  Status begin_run(const RunPaths& paths, const std::string&) override {
    paths_ = paths;
    return ok();
  }
  Result<BrokerAddress> start_broker(const BrokerScenario& settings) override {
    auto broker = lab::start_broker(loop_, supervisor_, settings, paths_.directory / "broker",
                                    paths_.log("broker"));
    if (!broker) return broker;
    if (const Status noted = note("broker"); !noted) return noted.error();
    return broker;
  }
  Status start(const std::string& name, const std::vector<std::string>& arguments,
               ExitHandler on_exit) override {
    adapters::ChildSpec spec;
    spec.argv = {program_.string()};
    spec.argv.insert(spec.argv.end(), arguments.begin(), arguments.end());
    spec.log_file = paths_.log(name);
    if (const Status s = supervisor_.start(name, std::move(spec), std::move(on_exit)); !s) return s;
    return name == "gateway" ? ok() : note(name);
  }
  bool running(const std::string& name) const override { return supervisor_.running(name); }
  std::optional<adapters::ExitStatus> exit_of(const std::string& name) const override {
    return supervisor_.exit_of(name);
  }
  void stop(const std::string& name, Duration grace) override { supervisor_.stop(name, grace); }
  std::vector<std::string> end_all() override { return supervisor_.end_all(); }
  void tend() override { supervisor_.reap_orphans(); }
  void complete_gateway_settings(nlohmann::json&) const override {}
  void complete_influx_settings(nlohmann::json&) const override {}
  nlohmann::json description() const override { return {{"kind", "process"}}; }

 private:
  // The gateway's meter finds broker and influx by these.
  Status note(const std::string& name) {
    return write_file(paths_.directory / "components" / (name + ".pid"),
                      fmt::format("{}\n", supervisor_.pid_of(name)));
  }

  LiveLoop& loop_;
  Supervisor& supervisor_;
  const std::filesystem::path program_;
  RunPaths paths_;
};

}  // namespace

std::unique_ptr<Components> make_process_components(LiveLoop& loop, Supervisor& supervisor,
                                                    std::filesystem::path program) {
  return std::make_unique<ProcessComponents>(loop, supervisor, std::move(program));
}

}  // namespace spate::lab
