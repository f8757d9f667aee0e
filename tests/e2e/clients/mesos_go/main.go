// A scheduler, an executor and an operator on mesos-go, unmodified; the story is told in lines of JSON.
//
//	mesos_go scheduler MASTER CODEC EXECUTOR_COMMAND
//	mesos_go executor CODEC
//	mesos_go operator MASTER AGENT CODEC
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	mesos "github.com/mesos/mesos-go/api/v1/lib"
	"github.com/mesos/mesos-go/api/v1/lib/agent"
	agentcalls "github.com/mesos/mesos-go/api/v1/lib/agent/calls"
	"github.com/mesos/mesos-go/api/v1/lib/encoding"
	"github.com/mesos/mesos-go/api/v1/lib/encoding/codecs"
	"github.com/mesos/mesos-go/api/v1/lib/executor"
	executorcalls "github.com/mesos/mesos-go/api/v1/lib/executor/calls"
	"github.com/mesos/mesos-go/api/v1/lib/executor/config"
	"github.com/mesos/mesos-go/api/v1/lib/extras/scheduler/controller"
	"github.com/mesos/mesos-go/api/v1/lib/extras/store"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpagent"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpexec"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpmaster"
	"github.com/mesos/mesos-go/api/v1/lib/httpcli/httpsched"
	"github.com/mesos/mesos-go/api/v1/lib/master"
	mastercalls "github.com/mesos/mesos-go/api/v1/lib/master/calls"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/calls"
	"github.com/mesos/mesos-go/api/v1/lib/scheduler/events"
)

const patience = 60 * time.Second

type told map[string]interface{}

func tell(what string, more told) {
	more["what"] = what
	line, err := json.Marshal(more)
	must(err)
	fmt.Println(string(line))
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func codec(name string) encoding.Codec {
	if name == codecs.NameProtobuf {
		return codecs.ByMediaType[codecs.MediaTypeProtobuf]
	}
	return codecs.ByMediaType[codecs.MediaTypeJSON]
}

func text(value string) *string { return &value }

func scalar(name string, value float64) mesos.Resource {
	kind := mesos.SCALAR
	return mesos.Resource{Name: name, Type: &kind, Scalar: &mesos.Value_Scalar{Value: value}}
}

func client(url, codecName string) *httpcli.Client {
	return httpcli.New(httpcli.Endpoint(url), httpcli.Codec(codec(codecName)))
}

func main() {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch os.Args[1] {
	case "scheduler":
		runScheduler(ctx, cancel, os.Args[2], os.Args[3], os.Args[4])
	case "executor":
		runExecutor(ctx, os.Args[2])
	case "operator":
		runOperator(ctx, os.Args[2], os.Args[3], os.Args[4])
	default:
		log.Fatal("scheduler, executor or operator?")
	}
}

// -- scheduler --------------------------------------------------------------------------------------------

func runScheduler(ctx context.Context, cancel func(), address, codecName, executorCommand string) {
	caller := httpsched.NewCaller(client("http://"+address+"/api/v1/scheduler", codecName))
	frameworkID := store.NewInMemorySingleton()
	withID := calls.Framework("")
	launched, ended := false, 0
	framework := &mesos.FrameworkInfo{User: "root", Name: "on mesos-go", Role: text("*")}

	handle := events.HandlerFunc(func(ctx context.Context, event *scheduler.Event) error {
		switch event.GetType() {
		case scheduler.Event_SUBSCRIBED:
			withID = calls.Framework(event.GetSubscribed().GetFrameworkID().GetValue())
			caller = calls.CallerFunc(withFramework(caller, withID))
			tell("subscribed", told{"heartbeat": event.GetSubscribed().GetHeartbeatIntervalSeconds()})
		case scheduler.Event_OFFERS:
			for _, offer := range event.GetOffers().GetOffers() {
				if launched {
					must(calls.CallNoData(ctx, caller, calls.Decline(offer.ID)))
					continue
				}
				launched = true
				names := map[string]bool{}
				for _, one := range offer.Resources {
					names[one.Name] = true
				}
				tell("offer", told{"resources": names, "hostname": offer.Hostname})
				launch(ctx, caller, offer, executorCommand)
			}
		case scheduler.Event_UPDATE:
			status := event.GetUpdate().GetStatus()
			tell("update", told{"task": status.TaskID.Value, "state": status.GetState().String(),
				"message": status.GetMessage(), "data": string(status.GetData())})
			switch status.GetState() {
			case mesos.TASK_FINISHED, mesos.TASK_KILLED, mesos.TASK_FAILED, mesos.TASK_ERROR:
				ended++
			case mesos.TASK_RUNNING:
				if status.TaskID.Value == "to-be-killed" {
					must(calls.CallNoData(ctx, caller, calls.Kill("to-be-killed", status.AgentID.Value)))
				}
				if status.TaskID.Value == "by-executor" {
					must(calls.CallNoData(ctx, caller, calls.Message(status.AgentID.Value, "executor", []byte("ping"))))
				}
			}
			if ended == 3 {
				must(calls.CallNoData(ctx, caller, calls.Reconcile()))
				must(calls.CallNoData(ctx, caller, calls.Suppress()))
				must(calls.CallNoData(ctx, caller, calls.Revive()))
				must(calls.CallNoData(ctx, caller, &scheduler.Call{Type: scheduler.Call_TEARDOWN}))
				tell("done", told{})
				cancel()
			}
		case scheduler.Event_MESSAGE:
			tell("message", told{"data": string(event.GetMessage().GetData())})
		case scheduler.Event_ERROR:
			tell("error", told{"message": event.GetError().GetMessage()})
		}
		return nil
	})

	// The rules are mesos-go's own: they keep the framework's id, and acknowledge.
	rules := controller.LiftErrors().Handle(
		controller.TrackSubscription(frameworkID, time.Second).Handle(
			controller.AckStatusUpdatesF(func() calls.Caller { return caller }).Handle(handle)))
	err := controller.Run(ctx, framework, caller, controller.WithEventHandler(rules),
		controller.WithFrameworkID(store.GetIgnoreErrors(frameworkID)))
	if ended != 3 {
		log.Fatalf("the subscription ended: %v", err)
	}
}

func withFramework(inner calls.Caller, option scheduler.CallOpt) func(context.Context, *scheduler.Call) (mesos.Response, error) {
	return func(ctx context.Context, call *scheduler.Call) (mesos.Response, error) {
		return inner.Call(ctx, call.With(option))
	}
}

func launch(ctx context.Context, caller calls.Caller, offer mesos.Offer, executorCommand string) {
	small := mesos.Resources{scalar("cpus", 0.1), scalar("mem", 16)}
	byCommand := mesos.TaskInfo{Name: "by-command", TaskID: mesos.TaskID{Value: "by-command"}, AgentID: offer.AgentID,
		Resources: small, Command: &mesos.CommandInfo{Value: text("echo hello from go")}}
	killed := mesos.TaskInfo{Name: "to-be-killed", TaskID: mesos.TaskID{Value: "to-be-killed"}, AgentID: offer.AgentID,
		Resources: small, Command: &mesos.CommandInfo{Value: text("exec sleep 1000")}}
	byExecutor := mesos.TaskInfo{Name: "by-executor", TaskID: mesos.TaskID{Value: "by-executor"}, AgentID: offer.AgentID,
		Resources: small, Data: []byte{0, 1, 254, 255},
		Executor: &mesos.ExecutorInfo{Type: mesos.ExecutorInfo_CUSTOM, ExecutorID: mesos.ExecutorID{Value: "executor"},
			Command: &mesos.CommandInfo{Value: text(executorCommand)}, Resources: small}}
	accept := calls.Accept(calls.OfferOperations{calls.OpLaunch(byCommand, killed, byExecutor)}.WithOffers(offer.ID))
	must(calls.CallNoData(ctx, caller, accept.With(calls.RefuseSeconds(time.Second))))
}

// -- executor ---------------------------------------------------------------------------------------------

func runExecutor(ctx context.Context, codecName string) {
	cfg, err := config.FromEnv()
	must(err)
	sender := httpexec.NewSender(client("http://"+cfg.AgentEndpoint+"/api/v1/executor", codecName).Send)
	ids := []executor.CallOpt{executorcalls.Framework(cfg.FrameworkID), executorcalls.Executor(cfg.ExecutorID)}
	send := func(call *executor.Call) {
		must(executorcalls.SendNoData(ctx, sender, executorcalls.NonStreaming(call.With(ids...))))
	}
	response, err := sender.Send(ctx, executorcalls.NonStreaming(executorcalls.Subscribe(nil, nil).With(ids...)))
	must(err)
	defer response.Close()
	var running mesos.TaskID
	report := func(state mesos.TaskState, data []byte) {
		source := mesos.SOURCE_EXECUTOR
		now := float64(time.Now().UnixNano()) / 1e9
		uuid := []byte(fmt.Sprintf("0123456789%06d", int(state)))
		uuid[8] = 0x80
		send(executorcalls.Update(mesos.TaskStatus{TaskID: running, State: &state, Source: &source, UUID: uuid,
			Timestamp: &now, Data: data, ExecutorID: &mesos.ExecutorID{Value: cfg.ExecutorID}}))
	}
	for {
		var event executor.Event
		if err := response.Decode(&event); err != nil {
			if err == io.EOF {
				return
			}
			log.Fatal(err)
		}
		switch event.GetType() {
		case executor.Event_LAUNCH:
			task := event.GetLaunch().GetTask()
			running = task.TaskID
			report(mesos.TASK_RUNNING, task.GetData())
		case executor.Event_MESSAGE:
			send(executorcalls.Message(append([]byte("pong: "), event.GetMessage().GetData()...)))
			report(mesos.TASK_FINISHED, []byte("result"))
		case executor.Event_SHUTDOWN:
			return
		}
	}
}

// -- operator ---------------------------------------------------------------------------------------------

func runOperator(ctx context.Context, masterAddress, agentAddress, codecName string) {
	toMaster := httpmaster.NewSender(client("http://"+masterAddress+"/api/v1", codecName).Send)
	masterCalls := []*master.Call{mastercalls.GetHealth(), mastercalls.GetVersion(), mastercalls.GetFlags(),
		mastercalls.GetMetrics(nil), mastercalls.GetFrameworks(), mastercalls.GetExecutors(), mastercalls.GetTasks(),
		mastercalls.GetRoles(), mastercalls.GetMaster()}
	// It is older than some capabilities of agents, and its JSON, unlike its protobuf, stumbles over their names.
	knowsAgents := codecName == codecs.NameProtobuf
	if knowsAgents {
		masterCalls = append(masterCalls, mastercalls.GetState(), mastercalls.GetAgents())
	}
	for _, call := range masterCalls {
		response, err := toMaster.Send(ctx, mastercalls.NonStreaming(call))
		must(err)
		var answer master.Response
		must(response.Decode(&answer))
		response.Close()
		tell("master", told{"type": answer.GetType().String(), "agents": len(answer.GetGetAgents().GetAgents()),
			"metrics": len(answer.GetGetMetrics().GetMetrics())})
	}
	if knowsAgents {
		response, err := toMaster.Send(ctx, mastercalls.NonStreaming(mastercalls.Subscribe()))
		must(err)
		var event master.Event
		must(response.Decode(&event))
		tell("event", told{"type": event.GetType().String(),
			"agents": len(event.GetSubscribed().GetGetState().GetGetAgents().GetAgents())})
		response.Close()
	}
	toAgent := httpagent.NewSender(client("http://"+agentAddress+"/api/v1", codecName).Send)
	for _, call := range []*agent.Call{agentcalls.GetHealth(), agentcalls.GetVersion(), agentcalls.GetState(),
		agentcalls.GetContainers(), agentcalls.GetFrameworks(), agentcalls.GetTasks(), agentcalls.GetExecutors(),
		agentcalls.GetAgent(), agentcalls.GetMetrics(nil)} {
		response, err := toAgent.Send(ctx, agentcalls.NonStreaming(call))
		must(err)
		var answer agent.Response
		must(response.Decode(&answer))
		response.Close()
		tell("agent", told{"type": answer.GetType().String()})
	}
}
