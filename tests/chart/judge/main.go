// Judges files as those who will read them do: Pod Security admission, Docker Compose, BuildKit.
//
//	judge pods LEVEL VERSION    YAML documents on standard input: what Pod Security says of each pod
//	judge compose FILE          whether Compose loads it, strictly
//	judge dockerfile FILE       its stages and instructions, as JSON
//
// Ends with code 1, and a line for each fault on standard error.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 3 && arguments[0] == "pods":
		return pods(os.Stdin, arguments[1], arguments[2])
	case len(arguments) == 2 && arguments[0] == "compose":
		return compose(arguments[1])
	case len(arguments) == 2 && arguments[0] == "dockerfile":
		return dockerfile(arguments[1])
	}
	return errors.New("usage: judge pods LEVEL VERSION | compose FILE | dockerfile FILE")
}

// A pod and whose it is.
type pod struct {
	owner string
	meta  metav1.ObjectMeta
	spec  corev1.PodSpec
}

func pods(input io.Reader, level, version string) error {
	wanted, err := api.ParseLevel(level)
	if err != nil {
		return err
	}
	at, err := api.ParseVersion(version)
	if err != nil {
		return err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks())
	if err != nil {
		return err
	}
	found, err := read(input)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		return errors.New("there is no pod in it")
	}
	var faults []error
	for _, one := range found {
		results := evaluator.EvaluatePod(api.LevelVersion{Level: wanted, Version: at}, &one.meta, &one.spec)
		for _, result := range results {
			if !result.Allowed {
				faults = append(faults, fmt.Errorf("%s: %s: %s", one.owner, result.ForbiddenReason, result.ForbiddenDetail))
			}
		}
	}
	fmt.Println(len(found))
	return errors.Join(faults...)
}

func read(input io.Reader) ([]pod, error) {
	var found []pod
	decoder := yaml.NewYAMLOrJSONDecoder(input, 4096)
	for {
		var document json.RawMessage
		if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(document)) == 0 || string(document) == "null" {
			continue
		}
		var kind metav1.TypeMeta
		if err := json.Unmarshal(document, &kind); err != nil {
			return nil, err
		}
		var owner metav1.ObjectMeta
		var template corev1.PodTemplateSpec
		var err error
		switch kind.Kind {
		case "Pod":
			var object corev1.Pod
			err = json.Unmarshal(document, &object)
			owner, template = object.ObjectMeta, corev1.PodTemplateSpec{ObjectMeta: object.ObjectMeta, Spec: object.Spec}
		case "Deployment":
			var object appsv1.Deployment
			err = json.Unmarshal(document, &object)
			owner, template = object.ObjectMeta, object.Spec.Template
		case "StatefulSet":
			var object appsv1.StatefulSet
			err = json.Unmarshal(document, &object)
			owner, template = object.ObjectMeta, object.Spec.Template
		case "Job":
			var object batchv1.Job
			err = json.Unmarshal(document, &object)
			owner, template = object.ObjectMeta, object.Spec.Template
		case "CronJob":
			var object batchv1.CronJob
			err = json.Unmarshal(document, &object)
			owner, template = object.ObjectMeta, object.Spec.JobTemplate.Spec.Template
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, pod{kind.Kind + " " + owner.Name, template.ObjectMeta, template.Spec})
	}
}

func compose(path string) error {
	options, err := cli.NewProjectOptions([]string{path}, cli.WithOsEnv, cli.WithName("judged"))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	text, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

// What a stage is made of.
type stage struct {
	Name     string   `json:"name"`
	Base     string   `json:"base"`
	Commands []string `json:"commands"`
}

func dockerfile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		return err
	}
	var warnings []error
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, _ []parser.Range) {
		warnings = append(warnings, fmt.Errorf("%s: %s", rule, message))
	}})
	found, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		return err
	}
	var stages []stage
	for _, one := range found {
		described := stage{Name: one.Name, Base: one.BaseName}
		for _, command := range one.Commands {
			described.Commands = append(described.Commands, fmt.Sprint(command))
		}
		stages = append(stages, described)
	}
	if err := json.NewEncoder(os.Stdout).Encode(stages); err != nil {
		return err
	}
	return errors.Join(warnings...)
}
