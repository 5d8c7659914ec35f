// Debian's gRPC and Abseil are built without ThreadSanitizer, so that it cannot see their locks:
// what gRPC hands from one of its threads to another looks like a race. Named here are gRPC's own
// functions; ours are not, and the tests of the pipeline run without gRPC.
#if defined(__SANITIZE_THREAD__)

extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }

extern "C" const char* __tsan_default_suppressions() {
  return "race:ServerCallbackUnaryImpl\n"
         "race:grpc::ServerUnaryReactor::\n"
         "race:grpc::internal::Call::\n"
         "race:grpc::internal::CallOp\n"
         "race:grpc::internal::CallbackWith\n"
         "race:grpc::internal::InterceptorBatchMethodsImpl\n";
}

#endif
