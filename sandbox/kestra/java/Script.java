package io.kestra.plugin.scripts.python;

import io.kestra.core.models.annotations.Plugin;
import io.kestra.core.models.property.Property;
import io.kestra.core.models.tasks.RunnableTask;
import io.kestra.core.runners.RunContext;
import io.kestra.plugin.scripts.exec.AbstractExecScript;
import io.kestra.plugin.scripts.exec.scripts.models.ScriptOutput;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * Stands in for the Python script task, which no public registry serves: the same type name, the properties
 * this project uses, and Kestra's own script base class underneath. Only the standard library is at hand.
 */
@Plugin
public class Script extends AbstractExecScript implements RunnableTask<ScriptOutput> {
    private Property<String> script;
    private Property<String> containerImage = Property.ofValue("python:3.13-slim");

    public Property<String> getScript() {
        return script;
    }

    @Override
    public Property<String> getContainerImage() {
        return containerImage;
    }

    @Override
    public ScriptOutput run(RunContext runContext) throws Exception {
        Path file = runContext.workingDir().createTempFile(".py");
        Files.writeString(file, runContext.render(script).as(String.class).orElseThrow());
        return commands(runContext)
            .withInterpreter(getInterpreter())
            .withBeforeCommands(getBeforeCommands())
            .withCommands(Property.ofValue(List.of("python3 " + file)))
            .run();
    }
}
