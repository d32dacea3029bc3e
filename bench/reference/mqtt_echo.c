// SPDX-License-Identifier: Apache-2.0
//
// The bare minimum that any MQTT service costs: subscribes and publishes each payload back.
// Usage: mqtt_echo PORT QOS SUBSCRIBE_TOPIC PUBLISH_TOPIC. Ends on SIGTERM.
#include <mosquitto.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static volatile sig_atomic_t stop_asked;
static const char* out_topic;
static int qos;

static void on_signal(int number) {
  (void)number;
  stop_asked = 1;
}

static void on_message(struct mosquitto* client, void* user,
                       const struct mosquitto_message* message) {
  (void)user;
  mosquitto_publish(client, NULL, out_topic, message->payloadlen, message->payload, qos, false);
}

int main(int argc, char** argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: mqtt_echo PORT QOS SUBSCRIBE_TOPIC PUBLISH_TOPIC\n");
    return 2;
  }
  qos = atoi(argv[2]);
  out_topic = argv[4];
  signal(SIGTERM, on_signal);
  mosquitto_lib_init();
  struct mosquitto* client = mosquitto_new(NULL, true, NULL);
  mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 65535);
  mosquitto_int_option(client, MOSQ_OPT_RECEIVE_MAXIMUM, 65535);
  mosquitto_message_callback_set(client, on_message);
  if (mosquitto_connect(client, "127.0.0.1", atoi(argv[1]), 60) != MOSQ_ERR_SUCCESS) {
    fprintf(stderr, "mqtt_echo: cannot connect to 127.0.0.1:%s\n", argv[1]);
    return 1;
  }
  mosquitto_subscribe(client, NULL, argv[3], qos);
  printf("ready\n");
  fflush(stdout);
  while (!stop_asked) mosquitto_loop(client, 100, 1);
  mosquitto_destroy(client);
  mosquitto_lib_cleanup();
  return 0;
}
