// Command pod-tool is the one program inside the image of the cluster's own
// pods: the pause container of every sandbox, and the tests' probe.  It stands
// alone in its image, without a shell or a library.
//
//	pod-tool pause                 wait for a signal
//	pod-tool serve ADDRESS         answer HTTP with the host name
//	pod-tool fetch URL             print what a URL answers; https by the pod's own token and CA
//	pod-tool write FILE TEXT       write a file
//	pod-tool read FILE             print a file
package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	if err := run(append(os.Args[1:], "", "", "")); err != nil {
		fmt.Fprintln(os.Stderr, "pod-tool:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "pause":
		stop := make(chan os.Signal, 1)
		signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
		<-stop
		return nil
	case "serve":
		return serve(args[1])
	case "fetch":
		return fetch(args[1])
	case "write":
		return os.WriteFile(args[1], []byte(args[2]), 0o644)
	case "read":
		text, err := os.ReadFile(args[1])
		fmt.Print(string(text))
		return err
	}
	return fmt.Errorf("no command %q; wanted pause, serve, fetch, write or read", args[0])
}

func serve(address string) error {
	host, err := os.Hostname()
	if err != nil {
		return err
	}
	fmt.Println("serving on", address)
	return http.ListenAndServe(address, http.HandlerFunc(
		func(answer http.ResponseWriter, request *http.Request) { fmt.Fprintln(answer, host) }))
}

func fetch(url string) error {
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 5 * time.Second}
	if request.URL.Scheme == "https" {
		token, err := os.ReadFile(account + "token")
		if err != nil {
			return err
		}
		authority, err := os.ReadFile(account + "ca.crt")
		if err != nil {
			return err
		}
		roots := x509.NewCertPool()
		roots.AppendCertsFromPEM(authority)
		client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
		request.Header.Set("Authorization", "Bearer "+string(token))
	}
	answer, err := client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if _, err := io.Copy(os.Stdout, answer.Body); err != nil {
		return err
	}
	if answer.StatusCode >= 300 {
		return fmt.Errorf("%s answered %s", url, answer.Status)
	}
	return nil
}
