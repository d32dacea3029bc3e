// SPDX-License-Identifier: Apache-2.0
package main

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
)

// KedaExecutor is the process that runs KEDA's own executor (tools/oracles/keda). It cannot be one with this one:
// KEDA needs another version of the Kubernetes libraries.
type KedaExecutor struct {
	to   *json.Encoder
	from *bufio.Scanner
}

func startKeda() *KedaExecutor {
	command := exec.Command(os.Getenv("ORACLE_KEDA"), "-test.run", "TestExecutor")
	in, err := command.StdinPipe()
	check(err)
	out, err := command.StdoutPipe()
	check(err)
	command.Stderr = os.Stderr
	check(command.Start())
	return &KedaExecutor{to: json.NewEncoder(in), from: bufio.NewScanner(out)}
}

func (k *KedaExecutor) begin(spec map[string]any) { check(k.to.Encode(map[string]any{"new": spec})) }

// poll says what KEDA makes of the replicas at this polling.
func (k *KedaExecutor) poll(ms int64, replicas int, active, failed bool) int {
	check(k.to.Encode(map[string]any{"at_ms": ms, "replicas": replicas, "active": active, "error": failed}))
	if !k.from.Scan() {
		panic("KEDA's executor ended")
	}
	var answer struct{ Replicas int }
	check(json.Unmarshal(k.from.Bytes(), &answer))
	return answer.Replicas
}
