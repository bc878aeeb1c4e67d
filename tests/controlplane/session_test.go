package main

import (
	"bufio"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// The test binary stands in for the program: with this variable set it behaves as the program, or as a parent that starts it.
const roleVariable = "CONTROLPLANE_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "program":
		main()
	case "parent":
		parentMain()
	}
}

// A session is one running program and the protocol with it.
type session struct {
	t       *testing.T
	command *exec.Cmd
	stdin   io.WriteCloser
	answers *bufio.Scanner
}

func startSession(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, command: roleCommand(t, "program")}
	var err error
	if s.stdin, err = s.command.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.answers = bufio.NewScanner(stdout)
	s.command.Stderr = logFile(t)
	if err := s.command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.kill)
	return s
}

func roleCommand(t *testing.T, role string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self)
	command.Env = append(os.Environ(), roleVariable+"="+role)
	return command
}

// logFile keeps the components' log out of the test's output unless the test fails.
func logFile(t *testing.T) *os.File {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			if text, err := os.ReadFile(file.Name()); err == nil {
				t.Logf("the program's log ends with:\n%s", text[max(0, len(text)-8000):])
			}
		}
		_ = file.Close()
	})
	return file
}

// ask sends one request and returns its answer.
func (s *session) ask(req request) answer {
	s.t.Helper()
	if err := json.NewEncoder(s.stdin).Encode(req); err != nil {
		s.t.Fatalf("sending %+v: %v", req, err)
	}
	if !s.answers.Scan() {
		s.t.Fatalf("no answer to %+v: %v", req, s.answers.Err())
	}
	var ans answer
	if err := json.Unmarshal(s.answers.Bytes(), &ans); err != nil {
		s.t.Fatalf("answer %q: %v", s.answers.Text(), err)
	}
	return ans
}

// must is ask for requests that succeed.
func (s *session) must(req request) answer {
	s.t.Helper()
	ans := s.ask(req)
	if !ans.OK {
		s.t.Fatalf("%+v was refused: %s", req, ans.Error)
	}
	return ans
}

// kill ends the program with SIGKILL, as the kill tests of the whole path do.
func (s *session) kill() {
	_ = s.command.Process.Kill()
	_ = s.command.Wait()
}

// waitEnd returns once the program has ended by itself.
func (s *session) waitEnd(limit time.Duration) {
	s.t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- s.command.Wait() }()
	select {
	case err := <-ended:
		if err != nil {
			s.t.Fatalf("the program ended with %v, expected exit code 0", err)
		}
	case <-time.After(limit):
		s.t.Fatalf("the program still ran %s after its input had ended", limit)
	}
}

func clientFor(t *testing.T, kubeconfig string) *kubernetes.Clientset {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}
