// fluke jobs: trains on a running server, and publishes what came out.
#include <chrono>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <google/protobuf/util/json_util.h>
#include <nlohmann/json.hpp>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "cli/server_arguments.h"
#include "cli/verbs.h"
#include "common/error.h"
#include "common/files.h"
#include "serve/client/training_client.h"

namespace fluke::cli {
namespace {

constexpr uint64_t kMaxConfigBytes = 1 << 20;
constexpr int kJobsPage = 1000;

struct JobsArguments : ServerArguments {
  bool json = false;
  std::string config;
  std::string name;
  std::vector<std::string> overrides;
  std::string id;
  std::string alias, gallery, index_type;
  bool watch = false;

  serve::TrainingClient Connect() const { return {server, Options()}; }
};

std::string Json(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions options;
  options.always_print_primitive_fields = true;
  options.preserve_proto_field_names = true;
  std::string text;
  const auto status = google::protobuf::util::MessageToJsonString(message, &text, options);
  if (!status.ok()) Throw(absl::StatusCode::kInternal, status.ToString());
  return text;
}

std::string Time(int64_t ms) {
  if (ms == 0) return "-";
  return absl::FormatTime("%Y-%m-%d %H:%M:%S", absl::FromUnixMillis(ms), absl::LocalTimeZone());
}

std::string LastMetrics(const v1::Job& job) {
  std::string text;
  for (const v1::MetricPoint& point : job.metrics()) {
    if (point.step() != job.metrics().rbegin()->step()) continue;
    text += absl::StrFormat("  %s %.4g", point.name(), point.value());
  }
  return text;
}

std::string Line(const v1::Job& job) {
  return absl::StrFormat("%s  %-10s  %3.0f%%  %s%s", job.id(), v1::Job::State_Name(job.state()),
                         100 * job.progress(), job.name(), LastMetrics(job));
}

void Print(const v1::Job& job, bool json) {
  if (json) {
    std::cout << Json(job) << "\n";
    return;
  }
  std::cout << Line(job) << "\nsubmitted   " << Time(job.submitted_ms()) << "\nstarted     "
            << Time(job.started_ms()) << "\nended       " << Time(job.ended_ms())
            << "\nattempts    " << job.attempts() << "\n";
  if (!job.collection().empty()) {
    std::cout << "published   " << job.collection() << " as " << job.publish().alias() << "\n";
  }
  if (!job.error().empty()) std::cout << "error       " << job.error() << "\n";
  if (!job.log_tail().empty()) std::cout << "log\n" << job.log_tail();
}

// An end that nobody wished for is the command's own failure.
void RequireSuccess(const v1::Job& job) {
  switch (job.state()) {
    case v1::Job::FAILED:
      Throw(absl::StatusCode::kAborted, "job ", job.id(), " failed: ", job.error());
    case v1::Job::CANCELLED:
      Throw(absl::StatusCode::kAborted, "job ", job.id(), " was cancelled");
    default:
      if (!job.error().empty()) {
        Throw(absl::StatusCode::kAborted, "job ", job.id(), " was not published: ", job.error());
      }
  }
}

// A line whenever the job stands otherwise; its last state goes to stdout.
void Watch(const serve::TrainingClient& client, const std::string& id, bool json) {
  v1::WatchJobRequest request;
  request.set_id(id);
  v1::Job last;
  std::string told;
  client.Watch(request, [&](const v1::Job& job) {
    const std::string line = Line(job);
    if (line != told) std::cerr << line << "\n";
    told = line;
    last = job;
    return true;
  });
  if (json) {
    std::cout << Json(last) << "\n";
  } else {
    std::cout << Line(last) << "\n";
  }
  RequireSuccess(last);
}

void FillTarget(const JobsArguments& arguments, v1::PublishTarget* target) {
  target->set_alias(arguments.alias);
  target->set_gallery(arguments.gallery);
  target->set_index_type(arguments.index_type);
}

void Submit(const JobsArguments& arguments) {
  v1::SubmitJobRequest request;
  request.set_name(arguments.name);
  request.set_config_yaml(ReadFile(arguments.config, kMaxConfigBytes));
  for (const std::string& value : arguments.overrides) request.add_set(value);
  if (!arguments.alias.empty()) FillTarget(arguments, request.mutable_publish());
  const serve::TrainingClient client = arguments.Connect();
  const v1::Job job = client.Submit(request);
  if (arguments.watch) {
    Watch(client, job.id(), arguments.json);
  } else if (arguments.json) {
    std::cout << Json(job) << "\n";
  } else {
    std::cout << job.id() << "\n";
  }
}

void List(const JobsArguments& arguments) {
  const serve::TrainingClient client = arguments.Connect();
  v1::ListJobsRequest request;
  request.set_page_size(kJobsPage);
  v1::ListJobsResponse all;
  do {
    v1::ListJobsResponse page = client.List(request);
    request.set_page_token(page.next_page_token());
    all.mutable_jobs()->MergeFrom(page.jobs());
  } while (!request.page_token().empty());
  if (arguments.json) {
    std::cout << Json(all) << "\n";
    return;
  }
  for (const v1::Job& job : all.jobs()) std::cout << Line(job) << "\n";
}

void Show(const JobsArguments& arguments) {
  v1::GetJobRequest request;
  request.set_id(arguments.id);
  Print(arguments.Connect().Get(request), arguments.json);
}

void Cancel(const JobsArguments& arguments) {
  v1::CancelJobRequest request;
  request.set_id(arguments.id);
  const v1::Job job = arguments.Connect().Cancel(request);
  std::cout << (arguments.json ? Json(job) : Line(job)) << "\n";
}

void Publish(const JobsArguments& arguments) {
  v1::PublishJobRequest request;
  request.set_id(arguments.id);
  FillTarget(arguments, request.mutable_target());
  const serve::TrainingClient client = arguments.Connect();
  const v1::Job job = client.Publish(request);
  if (arguments.watch) {
    Watch(client, job.id(), arguments.json);
  } else {
    std::cout << (arguments.json ? Json(job) : Line(job)) << "\n";
  }
}

CLI::App* Declare(CLI::App& verb, const std::shared_ptr<JobsArguments>& arguments,
                  const std::string& name, const std::string& help,
                  void (*run)(const JobsArguments&)) {
  CLI::App* action = verb.add_subcommand(name, help);
  DeclareServer(*action, *arguments);
  action->add_flag("--json", arguments->json, "print one JSON document");
  action->callback([arguments, run] { run(*arguments); });
  return action;
}

void DeclareId(CLI::App* action, const std::shared_ptr<JobsArguments>& arguments) {
  action->add_option("id", arguments->id, "of the job, as submit and list print it")->required();
}

void DeclareTarget(CLI::App* action, const std::shared_ptr<JobsArguments>& arguments) {
  action->add_option("--gallery", arguments->gallery,
                     "manifest within the server's folder of data; default: the training's");
  action->add_option("--index-type", arguments->index_type,
                     "preset or FAISS factory string; default: exact");
  action->add_flag("--watch", arguments->watch, "stay until the job has ended");
}

}  // namespace

void DeclareJobs(CLI::App& verb) {
  auto arguments = std::make_shared<JobsArguments>();
  verb.require_subcommand(1);
  CLI::App* submit = Declare(verb, arguments, "submit", "have the server train a model", Submit);
  submit
      ->add_option("config", arguments->config,
                   "YAML file as for `fluke train`; its manifest is a path within the server's "
                   "folder of data (jobs.data), relative to it")
      ->required();
  submit->add_option("--set", arguments->overrides, "override a field: train.epochs=3")
      ->take_all()
      ->allow_extra_args(false);
  submit->add_option("--name", arguments->name, "what people call the job");
  submit->add_option("--publish", arguments->alias,
                     "when it is trained, serve its gallery under this alias");
  DeclareTarget(submit, arguments);
  Declare(verb, arguments, "list", "all jobs, the newest first", List);
  DeclareId(Declare(verb, arguments, "show", "how a job stands", Show), arguments);
  DeclareId(
      Declare(verb, arguments, "watch", "follow a job until it has ended",
              [](const JobsArguments& given) { Watch(given.Connect(), given.id, given.json); }),
      arguments);
  DeclareId(Declare(verb, arguments, "cancel", "stop a job", Cancel), arguments);
  CLI::App* publish =
      Declare(verb, arguments, "publish", "serve a gallery with a job's model", Publish);
  DeclareId(publish, arguments);
  publish->add_option("--alias", arguments->alias, "that searches find the gallery by")->required();
  DeclareTarget(publish, arguments);
}

}  // namespace fluke::cli
